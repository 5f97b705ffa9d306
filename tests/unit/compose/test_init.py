"""The one-shot service: secrets made once, volumes given to their users."""

import tomllib

from deploy.compose import init


class Owners:
    """Remembers who was given what, since a test may not give anything away."""

    def __init__(self, folder):
        self.folder = folder
        self.of = {}

    def __call__(self, path, owner):
        self.of[str(path.relative_to(self.folder))] = owner


def made_in(folder):
    """Make the secrets in *folder*; return the paths made and who owns what."""
    owners = Owners(folder)
    return init.make_secrets(folder, owners), owners.of


def test_each_secret_is_its_owners_alone(tmp_path):
    """A file that two users need is a file of each."""
    made, owners = made_in(tmp_path)
    assert made == [secret.path for secret in init.SECRETS]
    for secret in init.SECRETS:
        path = tmp_path / secret.path
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert owners[secret.path] == owners[str(path.parent.relative_to(tmp_path))] == secret.owner


def test_a_second_run_keeps_every_secret(tmp_path):
    """A restart must not lock anybody out."""
    made_in(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert made_in(tmp_path)[0] == []
    assert before == {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}


def test_an_empty_secret_is_made_anew(tmp_path):
    """What an interrupted run may have left."""
    made_in(tmp_path)
    (tmp_path / "apps" / "admin").chmod(0o600)
    (tmp_path / "apps" / "admin").write_text("")
    assert made_in(tmp_path)[0] == ["apps/admin"]
    assert len((tmp_path / "apps" / "admin").read_text().strip()) >= 32


def test_secrets_differ_and_copies_agree(tmp_path):
    """Prometheus shows the apps' token, Meilisearch takes the key that storage shows."""
    made_in(tmp_path)
    text = {secret.path: (tmp_path / secret.path).read_text() for secret in init.SECRETS}
    assert text["prometheus/service"] == text["apps/service"]
    assert tomllib.loads(text["meilisearch/config.toml"]) == {"master_key": text["apps/search"].strip()}
    assert len({text[name] for name in ("apps/admin", "apps/service", "apps/search", "grafana/admin")}) == 4


def test_each_mounted_volume_is_given_to_its_user(tmp_path):
    """One that is not mounted is passed over."""
    for name in ("gateway", "prometheus", "something else"):
        (tmp_path / name).mkdir()
    owners = Owners(tmp_path)
    assert init.give_volumes(tmp_path, owners) == ["gateway", "prometheus"]
    assert owners.of == {"gateway": init.APPS, "prometheus": init.NOBODY}
