"""The offline set is complete: what docker-compose.yml can ask for, it has, under the name of what is inside."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
OFFLINE = ROOT / "infra" / "offline"
LEFT_OUT = {"IMAGE_GRAFANA": "grafana", "IMAGE_TEMPO": "tracing"}  # no Debian package: the profiles that stay off


def variables(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", file.read_text(), re.MULTILINE))


IMAGES = {name: value for name, value in variables(OFFLINE / "images.env").items() if name.startswith("IMAGE_")}


def test_every_official_image_has_one_in_its_place_or_is_left_out_with_its_profile() -> None:
    official = {name for name in variables(ROOT / ".env") if name.startswith("IMAGE_")}
    assert official - LEFT_OUT.keys() == IMAGES.keys()
    profiles = variables(OFFLINE / "images.env")["COMPOSE_PROFILES"].split(",")
    assert not set(LEFT_OUT.values()) & set(profiles)


def test_compose_takes_images_from_variables_only() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"\$\{(IMAGE_[A-Z_]+)\}", compose))
    assert used == IMAGES.keys() | LEFT_OUT.keys()
    named = re.findall(r"^\s+image: (.+)$", compose, re.MULTILINE)
    assert named
    assert all(image.startswith(("${IMAGE_", "${COMPOSE_PROJECT_NAME}-")) for image in named)


def test_no_image_carries_the_name_of_somebody_elses() -> None:
    assert all(image.startswith("quicksand-offline/") for image in IMAGES.values())


def test_every_image_has_something_it_is_built_from() -> None:
    targets = set(re.findall(r"^FROM .* AS (.+)$", (OFFLINE / "Dockerfile").read_text(), re.MULTILINE))
    names = {image.removeprefix("quicksand-offline/").split(":")[0] for image in IMAGES.values()}
    elsewhere = {"debian": OFFLINE / "rootfs", "mailsink": ROOT / "services" / "mailsink" / "Dockerfile"}
    assert names - targets == elsewhere.keys()
    assert all(file.exists() for file in elsewhere.values())
    assert targets - names == {"packages", "monitoring"}  # what the others are made with


def test_a_tag_is_the_series_of_the_package_inside() -> None:
    recipes = re.split(r"^FROM .* AS ", (OFFLINE / "Dockerfile").read_text(), flags=re.MULTILINE)
    recipe_of = {recipe.split("\n", 1)[0]: recipe for recipe in recipes}
    for image in IMAGES.values():
        name, tag = image.removeprefix("quicksand-offline/").split(":")
        if name not in {"debian", "mailsink"}:
            series = re.search(r"/packages/install [a-z0-9-]+?(?:=(?:\d+:)?([\d.]+)\.\*|-(\d+)) ", recipe_of[name])
            assert series, f"{name} does not pin its package"
            assert tag in series.groups()
