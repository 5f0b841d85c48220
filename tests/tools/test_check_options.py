"""tools/check_options: an effective option is one that something reads."""

TABLE = 'static const struct conf_option t[] = {\n    {"a.b", CONF_TYPE_INT, "1",\n     .flags = CONF_FLAG_EFFECTIVE},\n    {"c.d", CONF_TYPE_INT, "1"},\n};\n'


def test_unread_option_is_found(small_tree):
    small_tree.write("common/conf/options_x.c", TABLE)
    code, out = small_tree.check("check_options")
    assert code == 1 and "a.b is marked effective" in out[0]


def test_read_option_is_fine(small_tree):
    small_tree.write("common/conf/options_x.c", TABLE)
    small_tree.write("sdk/x.c", 'int x(void)\n{\n    return conf_int(c, "a."\n                       "b");\n}\n')
    assert small_tree.check("check_options") == (0, [])
