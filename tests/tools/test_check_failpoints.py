"""tools/check_failpoints: the table and the code have the same failpoints."""

TABLE = "common/base/failpoint_table.c"


def row(name, protocol="slots", text="here"):
    return f'    {{"{name}", FAILPOINT_WORKER, "{protocol}", "{text}"}},\n'


def test_same(small_tree):
    small_tree.write(TABLE, row("a.b") + row("a.c_d.e"))
    small_tree.write("engine/x.c", 'int x(void)\n{\n    TRY(FAILPOINT(&w->err, "a.b"));\n    (void)FAILPOINT(NULL, "a.c_d.e");\n'
                                   '    return FAILPOINT(err,\n                     "a.b");\n}\n')
    assert small_tree.check("check_failpoints") == (0, [])


def test_missing_row(small_tree):
    small_tree.write(TABLE, row("a.b"))
    small_tree.write("engine/x.c", 'TRY(FAILPOINT(err, "a.b"));\nTRY(FAILPOINT(err, "a.c"));\n')
    code, out = small_tree.check("check_failpoints")
    assert code == 1 and "engine/x.c:2: failpoint a.c has no row" in out[0]


def test_missing_place(small_tree):
    small_tree.write(TABLE, row("a.b") + row("a.c"))
    small_tree.write("engine/x.c", 'TRY(FAILPOINT(err, "a.b"));\n')
    small_tree.write("tests/x.c", 'TRY(FAILPOINT(err, "a.c"));\n')
    code, out = small_tree.check("check_failpoints")
    assert code == 1 and "no code has the failpoint a.c" in out[0]


def test_bad_rows_and_names(small_tree):
    small_tree.write(TABLE, row("a.b") + row("a.b") + row("a.c", text=""))
    small_tree.write("engine/x.c", 'FAILPOINT(err, "a.b");\nFAILPOINT(err, "a.c");\nFAILPOINT(err, name);\n')
    code, out = small_tree.check("check_failpoints")
    assert code == 1 and len(out) == 4
    assert "a.b has a row already" in out[0] and "says no protocol" in out[1] and "not written out" in out[2]
