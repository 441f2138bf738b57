"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

from typer import Option

Data = Annotated[
    Path | None,
    Option(
        help="Data folder of the embedded database. Default: JACKFIELD_DATA, or data.", show_default=False
    ),
]
Tenant = Annotated[str, Option(help="Slug of the tenant.")]
