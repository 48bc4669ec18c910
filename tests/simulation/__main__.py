"""Plays stories: `python -m tests.simulation --seeds 2000`, or one again: `--seed 7`."""
import os, sys
os.environ.setdefault("DATABASE_URL","sqlite://:memory:")
os.environ.setdefault("REDIS_URL","redis://127.0.0.1:1/0")
os.environ.setdefault("SECRET_KEY","simulation")
os.environ.setdefault("DESK_LOCAL","true")
os.environ.setdefault("LOG_LEVEL","CRITICAL")
os.environ.setdefault("DJANGO_SETTINGS_MODULE","tradedesk.settings")
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.simulation import template
from tests.simulation.world import world_of
from tests.simulation.story import Story
import time, traceback
from collections import Counter
template.build()
a,b=int(sys.argv[1]),int(sys.argv[2])
reached,killed,inter,happ=Counter(),Counter(),Counter(),Counter()
t=time.perf_counter(); bad=0
for seed in range(a,b):
    with world_of(seed) as world:
        try:
            Story(world).tell()
        except Exception as e:
            bad+=1
            print("SEED",seed,repr(e)[:300])
            if b-a==1:
                print("\n".join(world.trace)); traceback.print_exc()
            elif not type(e).__name__=="LawBroken": print(traceback.format_exc()[-1200:])
        if b-a==1 and not bad: print("\n".join(world.trace))
        reached+=world.faults.reached; killed+=world.faults.killed; inter+=world.faults.interrupted; happ+=world.faults.happened
dt=time.perf_counter()-t
print(f"{b-a} seeds {dt:.1f}s {dt/(b-a)*1000:.1f} ms each, bad {bad}")
if b-a>1:
    for k,v in sorted(reached.items()): print(f"{v:7d} {killed[k]:5d} {inter[k]:5d} {k}")
    print(happ)
