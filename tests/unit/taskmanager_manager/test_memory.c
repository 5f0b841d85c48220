/* Memory of a task manager: sizes that Flink derives from the same configuration, and its messages. */
#include "taskmanager/manager/memory.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define MB(n) ((uint64_t)(n) << 20)

static int derive(const char *settings, struct tm_memory *ret, struct error *err)
{
    struct conf conf;
    conf_init(&conf, NULL);
    struct slice rest = slice_cstr(settings), line;
    while (slice_next(&rest, ' ', &line)) {
        STR_AUTO text = STR_INIT;
        if (line.len > 0) {
            str_printf(&text, "taskmanager.memory.%.*s", (int)line.len, line.data);
            assert_int_equal(conf_set_dynamic(&conf, str_cstr(&text), err), 0);
        }
    }
    int rc = tm_memory_derive(&conf, ret, err);
    conf_fini(&conf);
    return rc;
}

static struct tm_memory derived(const char *settings)
{
    struct tm_memory m = {0};
    struct error err = ERROR_INIT;
    int rc = derive(settings, &m, &err);
    if (rc < 0) {
        fail_msg("%s: %s", settings, err.message);
    }
    assert_int_equal(m.total_flink, m.framework_heap + m.framework_off_heap + m.task_heap +
                                        m.task_off_heap + m.network + m.managed);
    assert_int_equal(m.total_process, m.total_flink + m.jvm_metaspace + m.jvm_overhead);
    return m;
}

static void assert_refused(const char *settings, const char *message)
{
    struct tm_memory m = {.managed = 7};
    struct error err = ERROR_INIT;
    assert_int_equal(derive(settings, &m, &err), ERR_INVALID_CONFIG);
    if (strstr(err.message, message) == NULL) {
        fail_msg("%s:\n%s\nis not\n%s", settings, err.message, message);
    }
    assert_int_equal(m.managed, 7);
}

/* The sizes that a real Flink logs for its shipped configuration, to the byte. */
static void the_shipped_configuration(void **state)
{
    static const char *const same[] = {"", "process.size=1728m"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct tm_memory m = derived(same[i]);
        assert_int_equal(m.total_process, MB(1728));
        assert_int_equal(m.total_flink, MB(1280));
        assert_int_equal(m.jvm_metaspace, MB(256));
        assert_int_equal(m.jvm_overhead, MB(192));
        assert_int_equal(m.framework_heap, MB(128));
        assert_int_equal(m.framework_off_heap, MB(128));
        assert_int_equal(m.managed, 536870920);
        assert_int_equal(m.network, 134217730);
        assert_int_equal(m.task_heap, 402653174);
        assert_int_equal(m.task_off_heap, 0);
    }
}

static void from_the_total_of_flink(void **state)
{
    struct tm_memory m = derived("flink.size=1280m");
    assert_int_equal(m.total_process, MB(1728));
    assert_int_equal(m.jvm_overhead, MB(192));
    m = derived("flink.size=4g managed.size=1g network.fraction=0.25");
    assert_int_equal(m.managed, MB(1024));
    assert_int_equal(m.network, MB(1024));
    assert_int_equal(m.task_heap, MB(4096 - 2048 - 256));
    /* (4096 + 256) / 9, from the inverse of a tenth */
    assert_in_range(m.jvm_overhead, MB(483), MB(484));
    m = derived("flink.size=1280m process.size=1800m");
    assert_int_equal(m.jvm_overhead, MB(1800 - 1280 - 256));
    m = derived("flink.size=1280m task.heap.size=400m");
    assert_int_equal(m.task_heap, MB(400));
    assert_int_equal(m.network, MB(1280 - 400 - 256) - 536870920);
}

static void from_heap_and_managed(void **state)
{
    struct tm_memory m = derived("task.heap.size=384m managed.size=512m");
    assert_int_equal(m.task_heap, MB(384));
    assert_int_equal(m.managed, MB(512));
    assert_in_range(m.network, MB(128), MB(128) + 64); /* 1152 / 9, by Flink's floats */
    m = derived("task.heap.size=384m managed.size=512m flink.size=1280m");
    assert_int_equal(m.network, MB(128));
    m = derived("task.heap.size=1g managed.size=0 network.max=80m");
    assert_int_equal(m.network, MB(80));
    m = derived("task.heap.size=0 managed.size=0");
    assert_int_equal(m.network, MB(64)); /* its minimum */
}

static void what_does_not_add_up(void **state)
{
    assert_refused("process.size=200m",
                   "Sum of configured JVM Metaspace (256.000mb (268435456 bytes)) and JVM Overhead "
                   "(192.000mb (201326592 bytes)) exceed configured Total Process Memory "
                   "(200.000mb (209715200 bytes)).");
    assert_refused("process.size=500m",
                   "Sum of configured Framework Heap Memory (128.000mb (134217728 bytes)), "
                   "Framework Off-Heap Memory (128.000mb (134217728 bytes)), Task Off-Heap Memory "
                   "(0 bytes), Managed Memory (");
    assert_refused("flink.size=1g managed.size=2g",
                   "exceed configured Total Flink Memory (1024.000mb (1073741824 bytes)).");
    assert_refused("flink.size=1g task.heap.size=700m",
                   "Task Heap Memory (700.000mb (734003200 bytes))");
}

static void what_contradicts(void **state)
{
    assert_refused("network.min=1g network.max=64m",
                   "Inconsistently configured "
                   "taskmanager.memory.network.fraction (0.1) and "
                   "its min (1024.000mb (1073741824 bytes)), max "
                   "(64.000mb (67108864 bytes)) value");
    assert_refused("jvm-overhead.fraction=1.5", "Inconsistently configured "
                                                "taskmanager.memory.jvm-overhead.fraction (1.5)");
    assert_refused("flink.size=1280m process.size=1600m",
                   "Derived JVM Overhead size (64.000mb (67108864 bytes)) is not in configured JVM "
                   "Overhead range [192.000mb (201326592 bytes), 1024.000mb (1073741824 bytes)].");
    assert_refused("flink.size=2g process.size=1g",
                   "exceed configured Total Process Memory (1024.000mb (1073741824 bytes)).");
    assert_refused("process.size=9223372036854775807", "is more than any machine has");
    assert_refused("flink.size=1g task.heap.size=300m managed.size=440m",
                   "Derived Network Memory size (28.000mb (29360128 bytes)) is not in configured "
                   "Network Memory range [64.000mb");
}

static void slots_share_evenly(void **state)
{
    struct tm_memory m = derived("");
    struct conf conf;
    struct error err = ERROR_INIT;
    struct resource_profile slot, total;
    conf_init(&conf, NULL);
    assert_int_equal(conf_set(&conf, "taskmanager.cpu.cores", "4.5", &err), 0);
    assert_int_equal(conf_set(&conf, "external-resources", "gpu;fpga;absent", &err), 0);
    assert_int_equal(conf_set(&conf, "external-resource.gpu.amount", "6", &err), 0);
    assert_int_equal(conf_set(&conf, "external-resource.fpga.amount", "1", &err), 0);
    assert_int_equal(tm_memory_total_profile(&m, &conf, 3, &total, &err), 0);
    slot = total;
    resource_profile_divide(&slot, 3);
    assert_true(resource_units_to(slot.cpu_units) == 1.5);
    assert_true(resource_units_to(total.cpu_units) == 4.5);
    assert_int_equal(total.n_extended, 2);
    assert_string_equal(total.extended[1].name, "gpu");
    assert_true(resource_units_to(slot.extended[1].units) == 2);
    assert_int_equal(conf_set(&conf, "external-resources", "gpu;gpu", &err), 0);
    assert_int_equal(tm_memory_total_profile(&m, &conf, 3, &total, &err), ERR_INVALID_CONFIG);
    assert_string_equal(err.message, "external-resources: external resource 'gpu' is given twice");
    conf_fini(&conf);
    assert_int_equal(slot.managed_bytes, m.managed / 3);
    assert_int_equal(slot.network_bytes, m.network / 3);
    assert_int_equal(total.task_heap_bytes, m.task_heap);
    Flinc__MemoryConfiguration c;
    tm_memory_fill_configuration(&m, &c);
    assert_int_equal(c.total_process, MB(1728));
    assert_int_equal(c.jvm_overhead, MB(192));
    STR_AUTO text = STR_INIT;
    tm_memory_append_text(&m, &text);
    assert_non_null(strstr(str_cstr(&text), "    Managed Memory: 512.000mb (536870920 bytes)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_configuration), cmocka_unit_test(from_the_total_of_flink),
        cmocka_unit_test(from_heap_and_managed),     cmocka_unit_test(what_does_not_add_up),
        cmocka_unit_test(what_contradicts),          cmocka_unit_test(slots_share_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
