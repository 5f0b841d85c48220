"""tools/check_readmes: every room that has files explains itself, and links lead somewhere."""

README = "# room\n\n1\n2\n3\n4\n5\n"


def test_rooms_need_one(small_tree):
    small_tree.write("sdk/a.c", "")
    code, out = small_tree.check("check_readmes")
    assert code == 1 and out[0] == "sdk: no README.md"
    small_tree.write("sdk/README.md", "# sdk\n")
    code, out = small_tree.check("check_readmes")
    assert code == 1 and "too short" in out[0]
    small_tree.write("sdk/README.md", README)
    assert small_tree.check("check_readmes") == (0, [])


def test_links(small_tree):
    small_tree.write("README.md", "[a](docs/a.md) [b](https://example.org/) [c](#part)\n")
    code, out = small_tree.check("check_readmes")
    assert code == 1 and out[0] == "README.md:1: link to docs/a.md, which is not there"
    small_tree.write("docs/a.md", "[top](../README.md#part)\n")
    assert small_tree.check("check_readmes") == (0, [])
