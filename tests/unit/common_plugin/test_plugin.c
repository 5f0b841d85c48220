/* The registry: tables, files, folders, and every reason to refuse. */
#include "common/plugin/plugin.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/common_plugin/sample.h"
#include <stdlib.h>
#include <sys/stat.h>

static const int some_vtable = 7;

static struct plugin_descriptor make(enum plugin_kind kind, const char *name)
{
    return (struct plugin_descriptor){
        .struct_size = sizeof(struct plugin_descriptor),
        .abi_version = PLUGIN_ABI_VERSION,
        .kind = kind,
        .kind_version = 1,
        .name = name,
        .description = "for the test",
        .vtable = &some_vtable,
    };
}

static void test_tables(void **state)
{
    struct plugin_descriptor kafka = make(PLUGIN_KIND_CONNECTOR, "kafka");
    struct plugin_descriptor print = make(PLUGIN_KIND_CONNECTOR, "print");
    struct plugin_descriptor json = make(PLUGIN_KIND_FORMAT, "json");
    struct plugin_descriptor kafka_format = make(PLUGIN_KIND_FORMAT, "kafka");
    const struct plugin_descriptor *const table[] = {&kafka, &print, &json, &kafka_format};
    struct plugin_registry registry;
    plugin_registry_init(&registry);
    struct error err = ERROR_INIT;
    assert_int_equal(plugin_register_all(&registry, table, ARRAY_LEN(table), &err), 0);
    assert_ptr_equal(plugin_find(&registry, PLUGIN_KIND_CONNECTOR, "kafka"), &kafka);
    assert_ptr_equal(plugin_find(&registry, PLUGIN_KIND_FORMAT, "kafka"), &kafka_format);
    assert_null(plugin_find(&registry, PLUGIN_KIND_CATALOG, "kafka"));
    struct vec found = VEC_INIT(void *);
    plugin_list(&registry, PLUGIN_KIND_CONNECTOR, &found);
    assert_int_equal(found.len, 2);
    assert_ptr_equal(vec_ptr(&found, 0), &kafka);
    vec_fini(&found);

    const struct plugin_descriptor *d = NULL;
    assert_int_equal(plugin_require(&registry, PLUGIN_KIND_FORMAT, "json", &d, &err), 0);
    assert_ptr_equal(d, &json);
    assert_int_equal(plugin_require(&registry, PLUGIN_KIND_CONNECTOR, "kafk", &d, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(err.message, "there is no connector \"kafk\", did you mean \"kafka\"?; "
                                     "there are: kafka, print");
    assert_int_equal(plugin_require(&registry, PLUGIN_KIND_CATALOG, "x", &d, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message, "there is no catalog \"x\"; there are: none");
    assert_ptr_equal(d, &json); /* untouched */
    plugin_registry_fini(&registry);
}

static void test_all_or_none(void **state)
{
    struct plugin_descriptor a = make(PLUGIN_KIND_FORMAT, "a");
    struct plugin_descriptor b = make(PLUGIN_KIND_FORMAT, "b");
    const struct plugin_descriptor *const table[] = {&a, &b, &a};
    struct plugin_registry registry;
    plugin_registry_init(&registry);
    struct error err = ERROR_INIT;
    assert_int_equal(plugin_register_all(&registry, table, ARRAY_LEN(table), &err),
                     ERR_ALREADY_EXISTS);
    assert_string_equal(err.message, "there is a format a already");
    assert_null(plugin_find(&registry, PLUGIN_KIND_FORMAT, "a"));
    assert_null(plugin_find(&registry, PLUGIN_KIND_FORMAT, "b"));
    plugin_registry_fini(&registry);
}

static void expect_refused(const struct plugin_descriptor *d, int code, const char *message)
{
    struct plugin_registry registry;
    plugin_registry_init(&registry);
    plugin_registry_expect(&registry, PLUGIN_KIND_FORMAT, 5);
    struct error err = ERROR_INIT;
    int rc = plugin_register(&registry, d, &err);
    if (rc != code || strstr(err.message, message) == NULL) {
        fail_msg("%s: %d %s", message, rc, err.message);
    }
    plugin_registry_fini(&registry);
}

static void test_bad_descriptors(void **state)
{
    struct plugin_descriptor d = make(PLUGIN_KIND_CONNECTOR, "a");
    expect_refused(NULL, ERR_INVALID_ARGUMENT, "without a descriptor");
    d.abi_version = PLUGIN_ABI_VERSION + 1;
    expect_refused(&d, ERR_UNSUPPORTED, "upgrade this installation");
    d.abi_version = PLUGIN_ABI_VERSION - 1;
    expect_refused(&d, ERR_UNSUPPORTED, "build it again");
    d = make(PLUGIN_KIND_CONNECTOR, "a");
    d.struct_size = 8;
    expect_refused(&d, ERR_UNSUPPORTED, "8 bytes");
    d = make(PLUGIN_KINDS, "a");
    expect_refused(&d, ERR_UNSUPPORTED, "unknown kind");
    static const char *const names[] = {"", "Kafka", "a b", "a/b", "../x", NULL};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        d = make(PLUGIN_KIND_CONNECTOR, names[i]);
        expect_refused(&d, ERR_INVALID_ARGUMENT, "no proper name");
    }
    d = make(PLUGIN_KIND_CONNECTOR, "a");
    d.vtable = NULL;
    expect_refused(&d, ERR_INVALID_ARGUMENT, "has no functions");
    d = make(PLUGIN_KIND_FORMAT, "a");
    expect_refused(&d, ERR_UNSUPPORTED,
                   "the format a has ABI version 1, this build takes version 5");
}

static int load_sample(struct plugin_registry *registry, const char *variety, struct error *err)
{
    STR_AUTO path = STR_INIT;
    sample_path(variety, &path);
    return plugin_load_file(registry, str_cstr(&path), err);
}

static void test_loads_a_file(void **state)
{
    struct plugin_registry registry;
    plugin_registry_init(&registry);
    plugin_registry_expect(&registry, PLUGIN_KIND_FORMAT, 3);
    struct error err = ERROR_INIT;
    if (load_sample(&registry, "good", &err) < 0) {
        fail_msg("%s", err.message);
    }
    const struct plugin_descriptor *d = plugin_find(&registry, PLUGIN_KIND_FORMAT, "sample-format");
    assert_non_null(d);
    int (*const *answer)(void) = d->vtable;
    assert_int_equal((*answer)(), 42);
    assert_string_equal(d->options[0].name, "sample.rate");
    assert_non_null(plugin_find(&registry, PLUGIN_KIND_CONNECTOR, "sample-connector"));
    assert_int_equal(load_sample(&registry, "good", &err), ERR_ALREADY_EXISTS);
    assert_non_null(strstr(err.frames, "plugin_good.so"));
    assert_int_equal((*answer)(), 42); /* still loaded */
    plugin_registry_fini(&registry);
}

static void test_broken_files(void **state)
{
    static const struct {
        const char *variety;
        int code;
        const char *message;
    } rows[] = {
        {"other_abi", ERR_UNSUPPORTED, "plugin_other_abi.so has ABI version 999"},
        {"no_entry", ERR_NOT_FOUND, "is no plug-in: it does not export flinc_plugin_entry"},
        {"no_plugins", ERR_INVALID_ARGUMENT, "plugin_no_plugins.so exports no plug-ins"},
        {"bad_second", ERR_INVALID_ARGUMENT, "no proper name"},
        {"unresolved", ERR_INVALID_ARGUMENT, "flinc_test_function_that_nobody_has"},
        {"missing_library", ERR_INVALID_ARGUMENT, "libflinc-test-gone.so.9"},
        {"absent", ERR_NOT_FOUND, "plugin_absent.so"},
    };
    struct plugin_registry registry;
    plugin_registry_init(&registry);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = ERROR_INIT;
        int rc = load_sample(&registry, rows[i].variety, &err);
        if (rc != rows[i].code || strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s: %d %s", rows[i].variety, rc, err.message);
        }
    }
    assert_int_equal(registry.by_key.len, 0);
    assert_int_equal(registry.objects.len, 0);
    plugin_registry_expect(&registry, PLUGIN_KIND_FORMAT, 4);
    struct error err = ERROR_INIT;
    assert_int_equal(load_sample(&registry, "good", &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "the format sample-format has ABI version 3"));
    plugin_registry_fini(&registry);
}

/* What the folder walk reported, one path per line. */
static void note_error(void *arg, const char *path, const struct error *err)
{
    str_printf(arg, "%s: %s\n", strrchr(path, '/') + 1, error_code_name(err->code));
}

static void put_file(const char *dir, const char *name, struct slice bytes)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", dir, name);
    sample_write(str_cstr(&path), bytes);
}

static void test_loads_a_folder(void **state)
{
    char root[] = "/tmp/flinc-plugins-XXXXXX";
    assert_non_null(mkdtemp(root));
    STR_AUTO one = STR_INIT;
    STR_AUTO two = STR_INIT;
    STR_AUTO good = STR_INIT;
    str_printf(&one, "%s/one", root);
    str_printf(&two, "%s/two", root);
    sample_read("good", &good);
    assert_int_equal(mkdir(str_cstr(&one), 0700), 0);
    assert_int_equal(mkdir(str_cstr(&two), 0700), 0);
    put_file(root, "stray.so", SLICE_LIT("not in a folder of its own"));
    put_file(str_cstr(&one), "a.so", SLICE_LIT("junk"));
    put_file(str_cstr(&one), "b.so", str_slice(&good));
    put_file(str_cstr(&one), "README.txt", SLICE_LIT("no plug-in"));
    put_file(str_cstr(&one), ".hidden.so", SLICE_LIT("junk"));
    put_file(str_cstr(&two), "again.so", str_slice(&good));

    struct plugin_registry registry;
    plugin_registry_init(&registry);
    struct error err = ERROR_INIT;
    STR_AUTO errors = STR_INIT;
    assert_int_equal(plugin_load_dir(&registry, root, note_error, &errors, &err), 1);
    assert_string_equal(str_cstr(&errors), "a.so: INVALID_ARGUMENT\nagain.so: ALREADY_EXISTS\n");
    assert_int_equal(plugin_load_dir(&registry, "/nowhere/plugins", note_error, &errors, &err), 0);
    STR_AUTO stray = STR_INIT;
    str_printf(&stray, "%s/stray.so", root);
    assert_true(plugin_load_dir(&registry, str_cstr(&stray), note_error, &errors, &err) < 0);
    plugin_registry_fini(&registry);

    static const char *const files[] = {
        "stray.so", "one/a.so", "one/b.so", "one/README.txt", "one/.hidden.so", "two/again.so",
        "one",      "two",      "."};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/%s", root, files[i]);
        assert_int_equal(strcmp(files[i], ".") == 0 ? rmdir(root) : remove(str_cstr(&path)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),          cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_bad_descriptors), cmocka_unit_test(test_loads_a_file),
        cmocka_unit_test(test_broken_files),    cmocka_unit_test(test_loads_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
