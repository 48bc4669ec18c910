"""Writes zappa_settings.STAGE.json: zappa_settings.json with what Terraform made. Nothing in it is secret."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TERRAFORM = ["terraform", f"-chdir={ROOT / 'infra'}", "output", "-json", "-no-color"]


class NotFilled(Exception):
    """The settings cannot be written. The text says what is missing."""


def main() -> int:
    """Write the file, print its name, return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--outputs", type=Path, help="file with what `terraform output -json` printed")
    parser.add_argument("--to", type=Path, help="default: zappa_settings.STAGE.json")
    options = parser.parse_args()
    path = options.to or ROOT / f"zappa_settings.{options.stage}.json"
    try:
        own = of_stage(json.loads((ROOT / "zappa_settings.json").read_text()), options.stage)
        filled = fill(own, options.stage, read_outputs(options.outputs))
    except NotFilled as error:
        sys.stderr.write(f"{error}\n")
        return 1
    path.write_text(json.dumps({options.stage: filled}, indent=2) + "\n")
    sys.stdout.write(f"{path}\n")
    return 0


def read_outputs(path: Path | None) -> dict[str, Any]:
    """Return Terraform's outputs by name, without those that are secret. Raises NotFilled."""
    try:
        text = path.read_text() if path else subprocess.check_output(TERRAFORM, text=True)
        outputs = json.loads(text)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise NotFilled("Terraform's outputs cannot be read: see docs/aws.md.") from error
    return {name: output["value"] for name, output in outputs.items() if not output.get("sensitive")}


def of_stage(template: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """Return the settings of a stage with those that it extends. Raises NotFilled."""
    if stage not in template or "extends" not in template[stage]:
        stages = ", ".join(name for name, own in template.items() if "extends" in own)
        raise NotFilled(f"There is no stage {stage}: {stages}.")
    own = {**template[template[stage]["extends"]], **template[stage]}
    del own["extends"]
    return own


def fill(own: Mapping[str, Any], stage: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a stage with what Terraform made for it. Raises NotFilled."""
    # Those that are committed stand for what Terraform makes.
    kept = {
        name: value
        for name, value in own["aws_environment_variables"].items()
        if not name.endswith("_SECRET_ID")
    }
    try:
        project, _, made_for = outputs["function_name"].rpartition("-")
        given = {
            "project_name": project,
            # For scripts/release.py; Zappa passes it by.
            "base_url": outputs["base_url"],
            "aws_region": outputs["region"],
            "s3_bucket": outputs["packages_bucket"],
            "role_arn": outputs["role_arn"],
            "vpc_config": {
                "SubnetIds": outputs["subnet_ids"],
                "SecurityGroupIds": outputs["security_group_ids"],
            },
            "dead_letter_arn": outputs["alarm_topic_arn"],
            "aws_environment_variables": {**kept, **outputs["environment"]},
        }
    except KeyError as error:
        raise NotFilled(f"Terraform has no output {error}: run terraform apply. See docs/aws.md.") from None
    if made_for != stage:
        raise NotFilled(
            f"infra/ is {outputs['function_name']}, not the stage {stage}: choose its state first."
        )
    return {**own, **given}


if __name__ == "__main__":
    sys.exit(main())
