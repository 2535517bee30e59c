"""The embedded engine: GPAW in plane waves, run in processes of its own.

The parent side (:mod:`.makers`, :mod:`.calculator`, :mod:`.engine_process`) never imports gpaw; the
child side (:mod:`.child.worker` and what it calls) never imports atomate2.
"""
