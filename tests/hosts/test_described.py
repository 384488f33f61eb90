"""What a service can be asked stands where whoever asks looks for it."""

import importlib
import re

import pytest

from kwtui import services


@pytest.mark.parametrize("name", services.SERVICES)
def test_the_page_of_the_services_names_every_request(name: str) -> None:
    module, kind = services.SERVICES[name]
    page = services.__doc__ or ""
    own = page[page.index(f"\n{name} (") :]
    following = [own.find(f"\n{other} (", 1) for other in services.SERVICES]
    own = own[: min((at for at in following if at > 0), default=len(own))]
    described = set(re.findall(r"\b(\w+)\(", own))
    assert getattr(importlib.import_module(module), kind).requests <= described
