"""The production engine: VASP.

Through pymatgen's input sets, atomate2's runner and custodian.

Nothing below runs VASP itself; whoever has a licence names the executable and the potentials.
"""
