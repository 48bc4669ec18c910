"""Terraform itself, where a machine has it and the provider: no registry, no account, no credentials."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.infra.files import INFRA

PROVIDER = "registry.terraform.io/hashicorp/aws"
HOME = Path.home()
# Where `terraform init` leaves the provider, where Terraform looks by itself, and where images keep it.
MIRRORS = (
    INFRA / ".terraform" / "providers",
    HOME / ".terraform.d" / "plugins",
    HOME / ".terraform.d" / "plugin-cache",
    Path("/usr/local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
    *Path("/opt").glob("*"),
)
# An account that answers nothing: the plan needs none.
OFFLINE = """terraform {
  backend "local" {}
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  allowed_account_ids         = null
}
"""
SECRETS = {
    "TF_VAR_secret_key": "k" * 50,
    "TF_VAR_database_password": "d" * 32,
    "TF_VAR_redis_token": "r" * 32,
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    output: str


@dataclass(frozen=True)
class Terraform:
    """The program and the folder that holds the provider."""

    program: str
    mirror: Path

    def lay(self, folder: Path, texts: Mapping[str, str]) -> None:
        """Put files into a folder, the state kept there too, and the provider at hand."""
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        (folder / "offline_override.tf").write_text(OFFLINE)
        shutil.copy(INFRA / "terraform.tfvars.example", folder / "terraform.tfvars")
        (folder / "terraform.rc").write_text(
            "disable_checkpoint = true\n"
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{self.mirror}"\n  }}\n}}\n'
        )

    def run(self, folder: Path, *words: str) -> Outcome:
        """Return what came of a command in a folder."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "AWS_"))}
        done = subprocess.run(
            [self.program, *words],
            cwd=folder,
            env={**kept, **SECRETS, "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc")},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)


def find() -> Terraform | None:
    """Return Terraform with the provider, None where one of them is missing."""
    program = shutil.which("terraform")
    mirror = next((path for path in MIRRORS if (path / PROVIDER).is_dir()), None)
    return Terraform(program, mirror) if program and mirror else None


def planned(output: str) -> set[str]:
    """Return the addresses that a plan in JSON lines would create."""
    lines = [json.loads(line) for line in output.splitlines()]
    resources = [line["change"]["resource"] for line in lines if line["type"] == "planned_change"]
    return {resource["addr"] for resource in resources if resource["addr"].startswith("aws_")}
