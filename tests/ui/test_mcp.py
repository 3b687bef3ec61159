"""The page's actions as MCP tools, called by the reference client."""

import ast
import asyncio
import base64
import io
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from segmentation import Segmenter
from tests.ui.server import serve

TOOLS = {"describe", "segment", "measure", "score", "correct", "look_inside", "model"}


@pytest.fixture(scope="module")
def address(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serve(project_root, tmp_path_factory.mktemp("server"), "--mcp") as url:
        yield f"{url}gradio_api/mcp/"


def call(address: str, name: str, **arguments: Any) -> tuple[bool, str, dict[str, Any]]:
    """Whether it failed, what it said first, and the schemas of all tools."""

    async def talk() -> tuple[bool, str, dict[str, Any]]:
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as client:
            await client.initialize()
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            answer = await client.call_tool(name, arguments)
            content: Any = answer.content[0]
            return bool(answer.isError), content.text, tools

    with ThreadPoolExecutor(1) as other:  # the browser's client keeps a loop running in this thread
        return other.submit(asyncio.run, talk()).result()


def uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_a_language_model_finds_the_tools_and_counts(
    address: str, pictures: tuple[Path, Path], segmenter: Segmenter
) -> None:
    failed, text, tools = call(address, "segment", picture=uri(pictures[1].read_bytes()), formats=["csv"])
    assert not failed
    result, archive = ast.literal_eval(text)
    assert result["nuclei"] == segmenter(pictures[1]).count
    with urllib.request.urlopen(archive["url"]) as answer:
        assert zipfile.ZipFile(io.BytesIO(answer.read())).namelist() == ["file_nuclei.csv"]
    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.description
        for name, schema in tool.inputSchema["properties"].items():
            assert schema.get("description"), f"{tool.name}: {name}"


def test_a_fault_is_a_sentence(address: str) -> None:
    failed, text, _ = call(address, "describe", picture=uri(b"no picture"))
    assert failed
    assert "not a picture" in text


def test_corrections_have_a_schema(address: str) -> None:
    _, _, tools = call(address, "describe", picture=uri(b"no picture"))
    given = next(tool for name, tool in tools.items() if name.endswith("correct")).inputSchema["properties"]
    assert given["corrections"]["type"] == "array"
    assert given["corrections"]["items"]["properties"]["kind"]["enum"] == ["delete", "merge", "split", "draw"]
