"""A double of the engine's process: speaks its protocol, computes nothing."""

import json
import os
import signal
import sys
import time

for line in sys.stdin:
    message = json.loads(line)
    task = message.pop("task")
    if task == "echo":
        print("a remark of the launcher")
        print(json.dumps({"progress": "half way"}))
        usage = {"cpu_time": 1.5, "peak_memory": 0.25}
        print(json.dumps({"result": message, "usage": usage}), flush=True)
    elif task == "fail":
        answer = {"error": message["error"], "arguments": ["found", "expected", "remedy"]}
        print(json.dumps(answer), flush=True)
    elif task == "crash":
        print("last words of the engine", file=sys.stderr, flush=True)
        sys.exit(7)
    elif task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif task == "eat":
        block = bytearray(os.urandom(1024)) * int(message["gigabytes"] * 1e6)
        time.sleep(60)
