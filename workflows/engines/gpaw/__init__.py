"""The embedded engine: GPAW.

The parent side (:mod:`.makers`, :mod:`.calculator`, :mod:`.engine_process`) never imports gpaw; the
child side (:mod:`.child.worker` and what it calls) never imports atomate2.
"""
