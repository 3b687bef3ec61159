"""What a Hub on loopback answers: one method for each kind of request."""

import base64
import hashlib
import json
import re
from typing import Any, Protocol

from tests.hub_repositories import Account, Hub, Refused, Repository, metadata


class Server(Protocol):
    """What is known of the server here."""

    hub: Hub
    log: list[str]
    url: str
    storage: str


class Answers:
    """Mixed into a handler of HTTP, which says how something is sent."""

    server: Server
    headers: Any
    query: dict[str, str]
    body: bytes

    def answer(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(json.dumps(data).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def send(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        raise NotImplementedError

    @property
    def account(self) -> Account | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.server.hub.accounts:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.server.hub.accounts.get(token)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def whoami(self) -> None:
        account = self.account
        if account is None:
            raise Refused(401, "Invalid username or password.")
        access = {"displayName": "laptop", "role": account.role}
        self.answer({"name": account.name, "type": "user", "auth": {"accessToken": access}})

    def create(self) -> None:
        asked, account = self.json, self.account
        kind = asked.get("type", "model") + "s"
        name = f"{asked['organization'] or (account.name if account else '')}/{asked['name']}"
        url = f"{self.server.url}/{'' if kind == 'models' else kind + '/'}{name}"
        with self.server.hub.lock:
            self.server.hub.create(kind, name, asked.get("visibility") == "private", account, url, asked.get("sdk"))
        self.answer({"url": url, "name": name})

    def validate(self) -> None:
        metadata(self.json["content"], self.json["repoType"])
        self.answer({"errors": [], "warnings": []})

    def listing(self, kind: str) -> None:
        account, found = self.account, []
        for (of_kind, name), repository in self.server.hub.repositories.items():
            own = account is not None and name.startswith(f"{account.name}/")
            tagged = self.query.get("filter") in (None, *repository.tags)
            by = self.query.get("author") in (None, name.split("/")[0])
            if of_kind == kind and tagged and by and (own or not repository.private):
                found.append(repository.described(repository.at("main"), blobs=False))
        self.answer(found[: int(self.query.get("limit", 1000))])

    def info(self, kind: str, name: str, revision: str = "main") -> None:
        repository = self.server.hub.visible(kind, name, self.account)
        self.answer(repository.described(repository.at(revision), blobs="blobs" in self.query))

    def tree(self, kind: str, name: str, revision: str) -> None:
        commit = self.server.hub.visible(kind, name, self.account).at(revision)
        self.answer([file.described(path, tree=True) for path, file in commit.files.items()])

    def preupload(self, kind: str, name: str, revision: str) -> None:
        repository = self._target(kind, name)
        old, answers = repository.at(revision).files, []
        for file in self.json["files"]:
            path = file["path"]
            mode = "lfs" if path.endswith(".safetensors") else "regular"
            oid = old[path].etag if path in old else None
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.answer({"files": answers})

    def _target(self, kind: str, name: str) -> Repository:
        """The repository; a pull request may come from anybody who has a token."""
        hub, account = self.server.hub, self.account
        if "create_pr" in self.query and account is not None:
            return hub.visible(kind, name, account)
        return hub.writable(kind, name, account)

    def batch(self, name: str, prefix: str = "models/") -> None:
        self.server.hub.visible(prefix.rstrip("/"), name, self.account)
        answers = []
        for each in self.json["objects"]:
            answer = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.server.hub.objects:
                upload = {"href": f"{self.server.storage}/{each['oid']}"}
                answer["actions"] = {"upload": upload, "verify": {"href": f"{self.server.url}/api/verify"}}
            answers.append(answer)
        self.answer({"transfer": "basic", "objects": answers})

    def store(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "the bytes do not have this hash")
        self.server.hub.objects[oid] = self.body
        self.send(b"", 200, {})

    def verify(self) -> None:
        held = self.server.hub.objects.get(self.json["oid"])
        if held is None or len(held) != self.json["size"]:
            raise Refused(404, "no such object")
        self.answer({})

    def commit(self, kind: str, name: str, revision: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        content = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        with self.server.hub.lock:
            repository, branch = self._target(kind, name), revision
            if "create_pr" in self.query:
                number = 1 + sum(ref.startswith("refs/pr/") for ref in repository.branches)
                branch = f"refs/pr/{number}"
                repository.branches[branch] = repository.at(revision).oid
            elif branch not in repository.branches:
                raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            made = self.server.hub.apply(repository, branch, lines, content)
        url = f"{self.server.url}/{'' if kind == 'models' else kind + '/'}{name}"
        answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{url}/commit/{made.oid}"}
        if branch != revision:
            answer["pullRequestUrl"] = f"{url}/discussions/{branch.rpartition('/')[2]}"
        self.answer(answer)

    def branch(self, kind: str, name: str, revision: str) -> None:
        repository = self.server.hub.writable(kind, name, self.account)
        if revision in repository.branches:
            raise Refused(409, "Reference already exists")
        repository.branches[revision] = repository.at(self.json.get("startingPoint", "main")).oid
        self.answer({})

    def resolve(self, name: str, revision: str, path: str, prefix: str = "models/") -> None:
        repository = self.server.hub.visible(prefix.rstrip("/"), name, self.account)
        file = repository.file(revision, path)
        headers = {"X-Repo-Commit": repository.at(revision).oid, "ETag": f'"{file.etag}"'}
        if file.lfs:
            self.server.hub.objects[file.sha256] = file.data
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.data))}
            self.send(b"", 302, headers | {"Location": f"{self.server.storage}/{file.sha256}"})
        else:
            self.ranged(file.data, headers)

    def stored(self, oid: str) -> None:
        assert "Authorization" not in self.headers, "the token left the Hub"
        self.ranged(self.server.hub.objects[oid], {"ETag": f'"{oid}"'})

    def ranged(self, data: bytes, headers: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            self.send(data, 200, headers)
            return
        start = int(asked[1])
        self.server.log.append(f"RANGE {start}")
        if start >= len(data):
            self.send(b"", 416, {"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send(data[start:], 206, headers)
