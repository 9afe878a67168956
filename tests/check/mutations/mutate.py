"""A seeded campaign of forged certificates and models against both engines of `lyap check`.

Small models are certified once (`lyap certify --effort fast`). Then certificate or weights are changed, one mutation at a
time, with everything else made consistent as a forger would (kinds.py), and both engines judge. The run fails where a
false claim is accepted by either engine, but for what kinds.py says that the engine leaves unchecked, and where an exit
code is none of 0, 1, 3, 65. Where only one engine accepts a claim that is not false, that is counted. Mutation number i is
the same for a seed whatever the count.

Usage: mutate.py PROGRAM_DIR SOURCE_DIR WORK_DIR [--count N] [--first I] [--seed S] [--jobs J] [--seconds S]
                 [--report FILE] [--keep]"""

import argparse
import collections
import concurrent.futures
import json
import math
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

import file_kinds
import kinds
from forgery import Forgery, Honest
from moves import SLACK, Skip

FIXTURES = {
    "mamba": 1, "mamba-bf16": 1, "mamba-fp16": 1, "mamba-bin": 0.3, "mamba-sharded": 0.5, "mamba-untied": 1, "mamba-original": 0.3,
    "mamba2": 3, "mamba2-bf16": 3, "mamba2-fp16": 3, "mamba2-limit": 4, "mamba2-codestral": 3, "mamba2-bin": 1,
    "mamba2-sharded": 1, "mamba2-original": 1,
}
EXAMPLES = {"mamba-tiny": 0.01, "mamba2-tiny": 0.5}
CONDITIONS = "exponent>=-1e-300,zeta>=-1e-9,state_bound>1e9"
ENGINES = ("proved", "native")
ACCEPTED, REJECTED, IN_PART, MALFORMED = 0, 1, 3, 65
UNCHECKED = {"text": "native", "order": "native", "witness": "proved"}  # the engine that says that it does not check it
NAMES = {ACCEPTED: "accepted", REJECTED: "rejected", IN_PART: "in part", MALFORMED: "malformed"}


def claim_of(array):
    """The row of the proved engine's verdict that an array of bounds belongs to."""
    name = array.split(".", 2)[2]
    return name[: -len(".upper")] if name.startswith("gain.") else name.split(".")[0]


def covered(engine, verdict, moves):
    """The moved bounds that a partial verdict counts as checked."""
    if engine == "proved":
        rows = {row["claim"]: row for row in verdict["claims"]}
        is_open = lambda name: int(name.split(".")[1]) in rows[claim_of(name)]["not_proved_in"] if claim_of(name) in rows else True
    else:
        unchecked = {(entry["layer"], name) for entry in verdict["arrays_not_checked"] for name in entry["arrays"]}
        is_open = lambda name: (int(name.split(".")[1]), name.split(".", 2)[2]) in unchecked
    return [name for name, _ in moves if ".lower_by." not in name and not is_open(name)]


class Campaign:
    def __init__(self, options):
        self.options = options
        self.programs = pathlib.Path(options.programs)
        self.work = pathlib.Path(options.work)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.local = threading.local()
        self.folders = iter(range(1000))
        self.honest = []

    def certify(self, model, out):
        """None where the model is refused."""
        command = [self.programs / "lyap-certify", model, "--effort", "fast", "--fail-on", CONDITIONS, "--no-progress"]
        run = subprocess.run([*command, "--out", out], capture_output=True)
        return Honest(out.stem, model, out) if run.returncode in (0, 1) else None

    def judge(self, engine, certificate, model):
        command = [self.programs / f"lyap-check-{engine}", certificate, model, "--json"]
        if engine == "proved":
            command += ["--no-progress", "--processes", "1"]
        try:
            run = subprocess.run(command, capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            return "timeout", None, ""
        verdict = None
        if run.returncode in (ACCEPTED, IN_PART):
            verdict = json.loads(run.stdout)
        return run.returncode, verdict, (run.stderr.decode(errors="replace").strip().splitlines() or [""])[0]

    def prepare(self):
        source = pathlib.Path(self.options.source)
        models = [(source / "tests/data/fixtures" / n, w) for n, w in FIXTURES.items()]
        models += [(source / "verify/examples" / n, w) for n, w in EXAMPLES.items()]
        self.weights = []
        for model, weight in models:
            honest = self.certify(model, self.work / f"{model.name}.json")
            if honest is None:
                sys.exit(f"{model}: was not certified")
            for engine in ENGINES:
                honest.codes[engine], _, said = self.judge(engine, self.work / f"{model.name}.json", model)
                if honest.codes[engine] not in (ACCEPTED, IN_PART):
                    sys.exit(f"{model.name}: the {engine} engine refuses the untouched certificate: {said}")
            self.honest.append(honest)
            self.weights.append(weight)

    def folder(self, i):
        if self.options.keep:
            folder = self.work / f"mutation-{i}"
            folder.mkdir(exist_ok=True)
            return folder
        if not hasattr(self.local, "folder"):
            self.local.folder = self.work / f"thread-{next(self.folders)}"
            self.local.folder.mkdir()
        return self.local.folder

    def mutation(self, i):
        """A forgery, its kind and what may be answered."""
        choice = random.Random(f"{self.options.seed}/{i}")
        while True:
            kind = choice.choices(list(kinds.KINDS), list(kinds.KINDS.values()))[0]
            forgery = Forgery(choice.choices(self.honest, self.weights)[0], self.folder(i))
            forgery.reference = forgery.honest
            try:
                expected = kind(forgery, choice, self.honest) if kind is file_kinds.other_model else kind(forgery, choice)
            except Skip:
                continue
            return forgery, kind.__name__, expected

    def run_one(self, i):
        forgery, kind, expected = self.mutation(i)
        certificate = forgery.write()
        if expected == "recertify":
            forgery.reference = self.certify(forgery.model, forgery.folder / "again.json")
            expected = "slack" if forgery.reference else "refuse"
        moves = forgery.inward(forgery.reference) if expected in ("slack", "part") else {}
        result = {"number": i, "model": forgery.honest.name, "kind": kind, "note": forgery.note, "expected": expected,
                  "moves": moves, "problems": []}
        for engine in ENGINES:
            code, verdict, said = self.judge(engine, certificate, forgery.model)
            result[engine], result[engine + "_said"] = code, said
            problem = self.problem(engine, code, verdict, expected, moves, forgery)
            if problem:
                result["problems"].append(f"{engine}: {problem}")
        refusing = [e for e in ENGINES if result[e] in (REJECTED, MALFORMED)]
        result["disagree"] = len(refusing) == 1 and ACCEPTED in (result["proved"], result["native"])
        result["refusal"] = result[refusing[0] + "_said"][:200] if refusing else ""
        return result

    def problem(self, engine, code, verdict, expected, moves, forgery):
        if code not in NAMES:
            return f"crash: exit code {code}"
        if code in (REJECTED, MALFORMED):
            return None
        if expected == "condition":
            return "wrong acceptance" if code == ACCEPTED else None
        if expected == "refuse" or (expected in UNCHECKED and engine != UNCHECKED[expected]):
            return "wrong acceptance"
        if expected == "domain":
            claims = [(f"layer.0.{name}.upper", 0) for name in ("zeta", "exponent", "state_bound")]
            counted = code == ACCEPTED or covered(engine, verdict, claims)
            return "wrong acceptance: a domain that is too wide" if counted else None
        false = {place: move for place, move in moves.items() if move > SLACK}
        if not false:
            return None
        worst = max(false, key=false.get)
        if code == ACCEPTED:
            return f"wrong acceptance: {worst[0]}, channel {worst[1]}, moved inward by {false[worst]:.3g}"
        counted = covered(engine, verdict, false)
        return f"wrong acceptance, in part: {counted[0]} counts as checked" if counted else None

    def run(self):
        numbers = range(self.options.first, self.options.first + self.options.count)
        end = time.monotonic() + self.options.seconds
        results = []
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            pending, numbers = set(), iter(numbers)
            while True:
                while len(pending) < 2 * self.options.jobs and time.monotonic() < end:
                    i = next(numbers, None)
                    if i is None:
                        break
                    pending.add(pool.submit(self.run_one, i))
                if not pending:
                    return results
                done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    results.append(future.result())
                    for problem in results[-1]["problems"]:
                        r = results[-1]
                        print(f"{r['number']} {r['model']} {r['kind']} {r['note']} ({r['expected']}): {problem}", flush=True)
                    if len(results) % 500 == 0:
                        self.report(results)
                        print(f"{len(results)} mutations", flush=True)

    def report(self, results):
        histogram = collections.defaultdict(lambda: {e: collections.Counter() for e in ENGINES})
        largest = {e: {} for e in ENGINES}
        for r in results:
            for engine in ENGINES:
                histogram[r["kind"]][engine][NAMES.get(r[engine], "crash")] += 1
                if r[engine] == ACCEPTED:
                    for (name, _), move in r["moves"].items():
                        array = name.split(".", 2)[2]
                        largest[engine][array] = max(move, largest[engine].get(array, 0.0))
        stricter = collections.defaultdict(list)
        for r in results:
            if r["disagree"] and not r["problems"]:
                refuses = next(e for e in ENGINES if r[e] in (REJECTED, MALFORMED))
                stricter[f"{r['kind']}, {r['expected']}: only the {refuses} engine refuses"].append((r["number"], r["model"], r["refusal"]))
        problems = [{k: r[k] for k in ("number", "model", "kind", "note", "expected", "problems")} for r in results if r["problems"]]
        report = {"mutations": len(results), "seed": self.options.seed, "models": dict(collections.Counter(r["model"] for r in results)),
                  "kinds": histogram, "largest_accepted_inward_move": largest, "problems": problems,
                  "one_engine_stricter": {k: {"count": len(v), "first": v[:3]} for k, v in sorted(stricter.items())},
                  "expected": dict(collections.Counter(r["expected"] for r in results))}
        if self.options.report:
            pathlib.Path(self.options.report).write_text(json.dumps(report, indent=1))
        return report


def table(report):
    columns = [*NAMES.values(), "crash"]
    print(f"{'kind':26}" + "".join(f"{c:>20}" for c in columns) + "   (proved / native)")
    total = {e: collections.Counter() for e in ENGINES}
    for kind, engines in sorted(report["kinds"].items()):
        print(f"{kind:26}" + "".join(f"{engines['proved'][c]:>12} / {engines['native'][c]:<5}" for c in columns))
        for engine in ENGINES:
            total[engine].update(engines[engine])
    print(f"{'all':26}" + "".join(f"{total['proved'][c]:>12} / {total['native'][c]:<5}" for c in columns))
    print("largest inward move of a bound in an accepted certificate, relative (at most 1e-9 is the certifier's slack):")
    for array in sorted({a for e in ENGINES for a in report["largest_accepted_inward_move"][e]}):
        print(f"  {array:34}" + "".join(f"{e} {report['largest_accepted_inward_move'][e].get(array, 0.0):<10.2g}" for e in ENGINES))
    for what, entry in report["one_engine_stricter"].items():
        print(f"{what}: {entry['count']} (first: number {entry['first'][0][0]}, {entry['first'][0][2]})")


def main():
    parser = argparse.ArgumentParser()
    for name in ("programs", "source", "work"):
        parser.add_argument(name)
    for name, value in (("count", 300), ("first", 0), ("seed", 1), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--report")
    parser.add_argument("--keep", action="store_true", help="every forgery stays in a folder of its own")
    options = parser.parse_args()
    if not (pathlib.Path(options.programs) / "lyap-check-proved").exists():
        print("skipped: this build has no lyap-check-proved (it needs coqc, ocamlfind and OCaml's zarith and sha)")
        sys.exit(77)
    campaign = Campaign(options)
    campaign.prepare()
    report = campaign.report(campaign.run())
    table(report)
    print(f"{report['mutations']} mutations, {len(report['problems'])} with a wrong answer")
    sys.exit(1 if report["problems"] else 0)


if __name__ == "__main__":
    main()
