"""Solves an MPS file with native HiGHS; prints one line of JSON. Usage: highs_peer.py FILE GAP SECONDS [relax]"""

import json
import sys
import time

import highspy

path, gap, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
solver.readModel(path)
solver.setOptionValue("mip_rel_gap", gap)
solver.setOptionValue("time_limit", seconds)
if "relax" in sys.argv[4:]:
    solver.setOptionValue("solve_relaxation", True)
cpu, wall = time.process_time(), time.perf_counter()
solver.run()
info = solver.getInfo()
integer = "relax" not in sys.argv[4:]
print(
    json.dumps(
        {
            "objective": info.objective_function_value,
            "bound": info.mip_dual_bound if integer else info.objective_function_value,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "status": str(solver.modelStatusToString(solver.getModelStatus())),
            "version": solver.version(),
        }
    )
)
