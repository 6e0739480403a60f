"""The image: what its definition says, and its steps and app carried out without a container engine."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT

SCRIPT = ROOT / ".ci" / "container.py"
spec = importlib.util.spec_from_file_location("container", SCRIPT)
container = importlib.util.module_from_spec(spec)
sys.modules["container"] = container
spec.loader.exec_module(container)

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LEAVE = container.patterns((ROOT / ".dockerignore").read_text())


def said(word: str) -> list[str]:
    return [step.rest for step in container.steps(DOCKERFILE) if step.word == word]


# --- the definition --------------------------------------------------------------------------------------------------


def test_the_base_is_pinned_and_can_be_pinned_further():
    assert said("FROM") == ["${BASE}"]
    base = dict(one.partition("=")[::2] for one in said("ARG"))["BASE"]
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base), base


def test_it_runs_as_nobody_who_owns_anything():
    user, _, group = said("USER")[-1].partition(":")
    assert int(user) > 1000
    assert int(group) > 1000
    assert not any("--chown" in one or "--chmod" in one for one in said("COPY"))
    assert not said("ADD")
    order = [step.word for step in container.steps(DOCKERFILE)]
    assert max(i for i, word in enumerate(order) if word in ("RUN", "COPY")) < order.index("USER")


def test_its_health_is_the_servers_own():
    assert len(said("HEALTHCHECK")) == 1
    assert "http://127.0.0.1:7860/health" in said("HEALTHCHECK")[0]
    assert '"--port", "7860"' in said("CMD")[0]
    assert said("EXPOSE") == ["7860"]


def test_it_holds_what_the_app_needs_and_nothing_else():
    sources = [source for one in said("COPY") for source in one.split()[:-1]]
    files = [file for source in sources for file in container.copied(source, ROOT, LEAVE).values()]
    names = {str(file.relative_to(ROOT)) for file in files}
    assert {"app.py", "wsis/explorer/layout.py", "wsis/explorer/style.css", "checkpoints/voc-lite/config.json"} <= names
    assert {"checkpoints/imagenet-lite/config.json", "checkpoints/imagenet-lite/classifier.safetensors"} <= names
    assert not [
        name for name in names if re.match(r"(tests|train|docs|runs|benchmarks|\.)", name) or "__pycache__" in name
    ]
    tracked = subprocess.run(
        ["git", "ls-files", *sources], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    if tracked:  # not in a source archive
        assert set(tracked.split("\n")) - {""} <= names


def test_secrets_that_lie_about_are_left_out():
    for name in (
        ".env",
        ".git/config",
        "visitors.txt",
        "checkpoints/mine/config.json",
        "wsis/__pycache__/a.pyc",
        "x.py",
    ):
        assert container.ignored(name, LEAVE), name
    for name in ("app.py", "wsis/cli.py", "wsis/explorer/tabs/tune/screen.py", "assets/examples/2-cat.jpg"):
        assert not container.ignored(name, LEAVE), name


# --- the reader ------------------------------------------------------------------------------------------------------


def test_steps_are_read_over_lines_and_comments():
    text = "# a\nFROM x\nENV A=1 \\\n    # between\n    B=2\n\nrun echo \\\n  hello\n"
    found = [(step.word, step.rest.split()) for step in container.steps(text)]
    assert found == [("FROM", ["x"]), ("ENV", ["A=1", "B=2"]), ("RUN", ["echo", "hello"])]
    with pytest.raises(container.CheckError, match="ONBUILD"):
        container.steps("FROM x\nONBUILD RUN rm -rf /")


@pytest.mark.parametrize(
    ("path", "patterns", "out"),
    [
        ("a", ["a"], True), ("a/b", ["a"], True), ("ab", ["a"], False), ("b/a", ["a"], False), ("b/a", ["*/a"], True),
        ("b/c/a", ["**/a"], True), ("a", ["**/a"], True), ("a/b", ["*", "!a"], False), ("a/b", ["*", "!a/b"], False),
        ("a/c", ["*", "!a/b"], True), ("a/b.pyc", ["*", "!a", "**/*.pyc"], True), ("a.b", ["a?b"], True),
    ],
)  # fmt: skip
def test_dockerignore(path, patterns, out):
    assert container.ignored(path, patterns) is out


def test_copy_takes_no_links_and_nothing_that_is_left_out(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    assert set(container.copied("a", tmp_path, [])) == {"x"}
    assert set(container.copied("a/x", tmp_path, [])) == {""}
    for source, leave in (("b", []), ("a", ["a"]), ("a/x", ["*"])):
        with pytest.raises(container.CheckError, match="no such file, or"):
            container.copied(source, tmp_path, leave)
    (tmp_path / "a" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(container.CheckError, match="is a link"):
        container.copied("a", tmp_path, [])


# --- at work ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def checked(tmp_path):
    """Carry out a Dockerfile; its exit code and what was printed."""
    if why := container.cannot():
        pytest.skip(f"the container cannot be checked here: {why}")

    def work(text: str) -> tuple[int, str]:
        (tmp_path / "Dockerfile").write_text(text)
        command = [sys.executable, SCRIPT, tmp_path / "Dockerfile"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        return done.returncode, done.stdout + done.stderr

    return work


@pytest.mark.slow
def test_the_app_works_read_only_without_root_and_network(checked):
    code, printed = checked(DOCKERFILE)
    assert code == 0, printed
    assert "healthy after" in printed
    assert "nothing outside /tmp was written" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ("USER 10001:10001", "USER root", "USER must be"),
        ("HEALTHCHECK", "# HEALTHCHECK", "lacks HEALTHCHECK|does not carry out"),
        ("RUN chmod -R u=rwX,go=rX .", "RUN chmod -R a+w .", "must not be able to change it"),
        ("RUN chmod -R u=rwX,go=rX .", "RUN chmod -R 700 .", "cannot enter /app"),
        ("COPY wsis wsis", "COPY train train", "leaves it out"),
        ("-r requirements.txt", "-r requirements.txt no-such-package", "No matching distribution"),
        ('CMD ["python", "app.py"', 'CMD ["python", "-c", "open(\'/app/x\', \'w\')"', "Read-only file system"),
    ],
)
def test_what_is_not_as_it_should_be_is_seen(old, new, pattern, checked):
    assert old in DOCKERFILE
    code, printed = checked(DOCKERFILE.replace(old, new))
    assert code == 1, printed
    assert re.search(pattern, printed), printed
