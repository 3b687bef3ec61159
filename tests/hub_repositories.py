"""What a Hub keeps: repositories whose branches point at commits, each a whole set of files, and who may do what."""

import hashlib
import threading
from dataclasses import dataclass, field
from typing import Any

import yaml

FIRST = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}
# What the Hub puts into a Space that it creates, and what it takes for the words in a Space's card.
FIRST_OF_SPACE = {"README.md": b"---\ntitle: Space\nemoji: \xf0\x9f\x8c\x96\nsdk: gradio\n---\n"}
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
LARGE = (".safetensors", ".onnx", ".zip", ".ckpt", ".bin", ".pt")  # what .gitattributes sends to LFS


class Refused(Exception):
    """An answer other than success, with the headers that the client reads."""

    def __init__(self, status: int, message: str, code: str = "", body: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.body = status, message, code, body


@dataclass(frozen=True)
class File:
    data: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        return text.encode()

    @property
    def git(self) -> str:
        """Git's own hash of what the repository itself holds."""
        content = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git

    def described(self, path: str, *, tree: bool) -> dict[str, Any]:
        size = len(self.data)
        entry: dict[str, Any] = {"size": size}
        entry |= {"type": "file", "path": path, "oid": self.git} if tree else {"rfilename": path, "blobId": self.git}
        if self.lfs:
            entry["lfs"] = {"size": size, "pointerSize": len(self.pointer)}
            entry["lfs"]["oid" if tree else "sha256"] = self.sha256
        return entry


@dataclass(frozen=True)
class Commit:
    oid: str
    files: dict[str, File]
    summary: str


@dataclass(frozen=True)
class Account:
    name: str
    role: str = "write"


@dataclass
class Repository:
    name: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    kind: str = "models"
    hardware: str | None = None

    def __post_init__(self) -> None:
        if not self.branches:
            first = FIRST | (FIRST_OF_SPACE if self.kind == "spaces" else {})
            self.commit("main", {path: File(data, False) for path, data in first.items()}, "initial commit")

    def commit(self, branch: str, files: dict[str, File], summary: str) -> Commit:
        """A new snapshot, then the branch points at it: nobody ever sees anything between the two."""
        listing = repr((branch, sorted((path, f.git) for path, f in files.items()), summary, len(self.commits)))
        commit = Commit(hashlib.sha1(listing.encode()).hexdigest(), dict(files), summary)
        self.commits[commit.oid] = commit
        self.branches[branch] = commit.oid
        return commit

    def at(self, revision: str) -> Commit:
        oid = self.branches.get(revision, revision)
        if oid not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def file(self, revision: str, path: str) -> File:
        commit = self.at(revision)
        if path not in commit.files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        return commit.files[path]

    @property
    def tags(self) -> list[str]:
        return metadata(self.at("main").files.get("README.md", File(b"", False)).data.decode()).get("tags", [])

    def described(self, commit: Commit, *, blobs: bool = True) -> dict[str, Any]:
        siblings = [
            file.described(path, tree=False) if blobs else {"rfilename": path} for path, file in commit.files.items()
        ]
        runtime = {"stage": "RUNNING", "hardware": {"current": self.hardware, "requested": self.hardware}}
        return {
            "id": self.name,
            "sha": commit.oid,
            "private": self.private,
            **({"gated": "auto"} if self.gated else {}),
            **({"sdk": "gradio", "runtime": runtime} if self.kind == "spaces" else {}),
            "tags": self.tags,
            "downloads": 7,
            "likes": 3,
            "lastModified": "2026-01-02T03:04:05.000Z",
            "siblings": siblings,
        }


@dataclass
class Hub:
    """All of it. ``objects`` are large files that arrived, whether or not a commit speaks of them."""

    accounts: dict[str, Account] = field(default_factory=lambda: {"hf_write": Account("lab")})
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, name: str, files: dict[str, bytes], *, kind: str = "models", **options: Any) -> Repository:
        """A repository as somebody else left it."""
        repository = self.repositories[kind, name] = Repository(name, kind=kind, **options)
        self.put(repository, files)
        return repository

    def put(self, repository: Repository, files: dict[str, bytes], branch: str = "main") -> Commit:
        old = repository.at("main").files
        return repository.commit(branch, old | {p: File(d, p.endswith(LARGE)) for p, d in files.items()}, "put")

    def visible(self, kind: str, name: str, account: Account | None) -> Repository:
        found = self.repositories.get((kind, name))
        if found is None or (found.private and (account is None or account.name != name.split("/")[0])):
            raise Refused(404 if account else 401, "Repository not found", "RepoNotFound")
        if found.gated:
            raise Refused(403, "Access to this model is restricted", "GatedRepo")
        return found

    def writable(self, kind: str, name: str, account: Account | None) -> Repository:
        self.check_owner(name, account)
        return self.visible(kind, name, account)

    def check_owner(self, name: str, account: Account | None) -> None:
        if account is None:
            raise Refused(401, "Invalid username or password.")
        if account.role == "read" or account.name != name.split("/")[0]:
            raise Refused(403, "You don't have the rights to create a model under the namespace")

    def create(self, kind: str, name: str, private: bool, account: Account | None, url: str, sdk: str | None) -> None:
        self.check_owner(name, account)
        if kind == "spaces" and sdk not in SDKS:
            raise Refused(400, f'"sdk" must be one of {SDKS}')
        if (kind, name) in self.repositories:
            raise Refused(409, "You already created this model repo", body={"url": url})
        self.repositories[kind, name] = Repository(name, private, kind=kind)

    def apply(
        self, repository: Repository, branch: str, lines: list[dict[str, Any]], files: dict[str, bytes]
    ) -> Commit:
        """All lines of a commit, or none of them."""
        header = lines[0]["value"]
        parent = header.get("parentCommit")
        if parent is not None and parent != repository.branches.get(branch):
            raise Refused(412, "The branch has moved")
        changed = dict(repository.at(branch).files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                changed[value["path"]] = File(files[value["path"]], False)
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    raise Refused(400, f"LFS object {value['oid']} is not there")
                changed[value["path"]] = File(self.objects[value["oid"]], True)
            elif line["key"] == "deletedFile":
                if value["path"] not in changed:
                    raise Refused(404, "Entry not found", "EntryNotFound")
                del changed[value["path"]]
            else:
                raise Refused(400, f"unknown operation {line['key']}")
        return repository.commit(branch, changed, header["summary"])


def metadata(card: str, kind: str = "model") -> dict[str, Any]:
    """The card's front matter; refused where the Hub would refuse it."""
    if not card.startswith("---\n"):
        return {}
    try:
        found = yaml.safe_load(card[4:].split("\n---", 1)[0]) or {}
    except yaml.YAMLError as error:
        raise Refused(400, "not YAML", body={"errors": [{"message": str(error)}], "warnings": []}) from error
    wrong = [key for key in ("tags", "datasets", "metrics", "models") if not isinstance(found.get(key, []), list)]
    wrong += [key for key in ("license", "title", "python_version") if not isinstance(found.get(key, ""), str)]
    if kind == "space":
        wrong += [key for key in ("title", "emoji") if not found.get(key)]
        wrong += [key for key in ("colorFrom", "colorTo") if found.get(key, "red") not in COLOURS]
        wrong += ["sdk"] if found.get("sdk") not in SDKS else []
        wrong += ["short_description"] if len(found.get("short_description", "")) > 60 else []
    if wrong:
        message = f'"{wrong[0]}" is not what it may be'
        raise Refused(400, message, body={"errors": [{"message": message}], "warnings": []})
    return found
