"""tools/check_floors: what a room may include, and what it may not."""

import pytest


def include(name):
    return f'#include "{name}"\n'


@pytest.mark.parametrize(
    "path, name",
    [
        ("engine/data/a.c", "common/base/b.h"),  # below
        ("engine/data/a.c", "engine/data/b.h"),  # its own room
        ("common/loop/a.c", "common/text/b.h"),  # same floor and folder, listed before
        ("taskmanager/worker/a.c", "taskmanager/exchange/b.h"),
        ("engine/data/a.c", "flinc/b.h"),  # the SDK's headers
        ("tests/unit/x/a.c", "taskmanager/worker/b.h"),  # tests see everything
        ("engine/data/nested/a.c", "engine/data/b.h"),  # a folder inside a room is the room
    ],
)
def test_allowed(small_tree, path, name):
    small_tree.write(path, include(name))
    small_tree.write("include/" + name if name.startswith("flinc/") else name, "")
    assert small_tree.check("check_floors") == (0, [])


@pytest.mark.parametrize(
    "path, name, why",
    [
        ("common/base/a.c", "common/text/b.h", "common/text is listed after common/base"),
        ("common/text/a.c", "common/loop/b.h", "common/loop is listed after common/text"),
        ("engine/data/a.c", "sdk/b.h", "sdk (floor 6) is not below engine/data (floor 3)"),
        (
            "taskmanager/worker/a.c",
            "jobmanager/jobmaster/b.h",
            "jobmanager/jobmaster (floor 8) is not below taskmanager/worker (floor 8)",
        ),
        (
            "jobmanager/jobmaster/a.c",
            "taskmanager/worker/b.h",
            "taskmanager/worker (floor 8) is not below jobmanager/jobmaster (floor 8)",
        ),
        ("include/flinc/a.h", "common/base/b.h", "an SDK header includes the C library and flinc/ only"),
        ("examples/x/a.c", "common/base/b.h", "an example includes the C library and flinc/ only"),
        ("attic/a.c", "common/base/b.h", "attic has no floor"),
        ("engine/extra/a.c", "engine/data/b.h", "engine/extra has no floor"),
        ("engine/expr/a.c", "engine/expr2/b.h", "engine/expr2 has no floor"),
    ],
)
def test_refused(small_tree, path, name, why):
    small_tree.write(path, "/* a comment */\n" + include(name))
    small_tree.write(name, "")
    code, out = small_tree.check("check_floors")
    assert code == 1
    assert out[0].startswith(f"{path}:2: ") and why in out[0]


def test_paths_are_root_relative(small_tree):
    small_tree.write("engine/data/a.c", include("b.h"))
    small_tree.write("engine/data/b.h", "")
    code, out = small_tree.check("check_floors")
    assert code == 1 and "paths are root-relative" in out[0]


def test_generated_protocol_headers_belong_to_their_proto(small_tree):
    small_tree.write("meson.build", "rooms = [\n  'common/base',\n  'proto',\n  'engine/data',\n]\n")
    small_tree.write("proto/job.proto", "")
    small_tree.write("engine/data/a.c", include("proto/job.pb-c.h"))
    assert small_tree.check("check_floors") == (0, [])
    small_tree.write("common/base/a.c", include("proto/job.pb-c.h"))
    assert small_tree.check("check_floors")[0] == 1


def test_sdk_headers_see_the_c_library_only(small_tree):
    small_tree.write("include/flinc/a.h", "#include <stdint.h>\n#include <flinc/b.h>\n")
    small_tree.write("include/flinc/b.h", "")
    assert small_tree.check("check_floors") == (0, [])
    small_tree.write("include/flinc/b.h", "#include <pthread.h>\n")
    code, out = small_tree.check("check_floors")
    assert code == 1 and out[0].startswith("include/flinc/b.h:1: ")


def test_the_list_of_rooms_goes_up(small_tree):
    small_tree.write("meson.build", "rooms = [\n  'engine/data',\n  'common/base',\n  'attic',\n]\n")
    code, out = small_tree.check("check_floors")
    assert code == 1
    assert "room common/base (floor 0) is listed after a room of floor 3" in out[0]
    assert "room attic has no floor" in out[1]
