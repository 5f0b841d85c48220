/* Derives the parts of a task manager's memory; see memory.h.
 *
 * Three ways in, the first that is configured: task heap and managed memory; the total of Flink; the
 * total of the process.  Fractions are 32-bit floats that are widened, as in Flink, so that sizes agree
 * to the byte. */
#include "taskmanager/manager/memory.h"

#include "common/base/log.h"
#include "common/text/number.h"
#include <stdio.h>
#include <string.h>

static const char topic[] = "flinc.taskmanager.memory";

/* "512.000mb (536870912 bytes)" in the caller's buffer. */
struct size_text {
    char text[64];
};

static const char *shown(uint64_t bytes, struct size_text *buffer)
{
    STR_AUTO s = STR_INIT;
    memory_size_format_readable(bytes, &s);
    snprintf(buffer->text, sizeof(buffer->text), "%s", str_cstr(&s));
    return buffer->text;
}
/* As an argument of a call; lives until the end of the block. */
#define SHOWN(bytes) shown((bytes), &(struct size_text){""})

/* ---- sizes by fraction -------------------------------------------------------------------------- */

struct range_fraction {
    const char *what, *option;
    uint64_t min, max;
    double fraction;
};

static int range_fraction_read(const struct conf *conf, struct range_fraction *r, struct error *err)
{
    r->fraction = (double)(float)conf_double(conf, r->option);
    if (r->min > r->max || r->fraction < 0 || r->fraction >= 1) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Inconsistently configured %s (%g) and its min (%s), max (%s) value",
                         r->option, r->fraction, SHOWN(r->min), SHOWN(r->max));
    }
    return 0;
}

static int overhead_range(const struct conf *conf, struct range_fraction *ret, struct error *err)
{
    *ret = (struct range_fraction){.what = "jvm overhead memory",
                                   .option = "taskmanager.memory.jvm-overhead.fraction",
                                   .min = conf_memory(conf, "taskmanager.memory.jvm-overhead.min"),
                                   .max = conf_memory(conf, "taskmanager.memory.jvm-overhead.max")};
    return range_fraction_read(conf, ret, err);
}

static int network_range(const struct conf *conf, struct range_fraction *ret, struct error *err)
{
    *ret = (struct range_fraction){.what = "network memory",
                                   .option = "taskmanager.memory.network.fraction",
                                   .min = conf_memory(conf, "taskmanager.memory.network.min"),
                                   .max = conf_memory(conf, "taskmanager.memory.network.max")};
    return range_fraction_read(conf, ret, err);
}

static int managed_range(const struct conf *conf, struct range_fraction *ret, struct error *err)
{
    *ret = (struct range_fraction){.what = "managed memory",
                                   .option = "taskmanager.memory.managed.fraction",
                                   .min = 0,
                                   .max = INT64_MAX};
    return range_fraction_read(conf, ret, err);
}

static uint64_t cap_to_range(const struct range_fraction *r, long double relative)
{
    uint64_t size = relative >= (long double)INT64_MAX ? INT64_MAX : (uint64_t)relative;
    if (size > r->max) {
        LOG_INFO(topic, "The %s derived from its fraction (%s) is over its maximum; %s is used.",
                 r->what, SHOWN(size), SHOWN(r->max));
        return r->max;
    }
    if (size < r->min) {
        LOG_INFO(topic, "The %s derived from its fraction (%s) is under its minimum; %s is used.",
                 r->what, SHOWN(size), SHOWN(r->min));
        return r->min;
    }
    return size;
}

static uint64_t part_of(const struct range_fraction *r, uint64_t whole)
{
    return cap_to_range(r, (long double)whole * (long double)r->fraction);
}

/* The part, when `rest` is what is left of the whole without it. */
static uint64_t part_beside(const struct range_fraction *r, uint64_t rest)
{
    return cap_to_range(r, (long double)rest * (long double)(r->fraction / (1 - r->fraction)));
}

/* ---- the parts of Flink's total ----------------------------------------------------------------- */

/* Everything but network, as far as it is set. */
static uint64_t sum_without_network(const struct tm_memory *m)
{
    return m->framework_heap + m->framework_off_heap + m->task_heap + m->task_off_heap + m->managed;
}

static int check_network(const struct conf *conf, uint64_t network, struct error *err)
{
    struct range_fraction r;
    TRY(network_range(conf, &r, err));
    if (network >= r.min && network <= r.max) {
        return 0;
    }
    return error_set(
        err, ERR_INVALID_CONFIG,
        "If Total Flink, Task Heap and (or) Managed Memory sizes are explicitly configured then "
        "the "
        "Network Memory size is the rest of the Total Flink memory after subtracting all other "
        "configured types of memory, but the derived Network Memory is inconsistent with its "
        "configuration. Derived Network Memory size (%s) is not in configured Network Memory range "
        "[%s, %s].",
        SHOWN(network), SHOWN(r.min), SHOWN(r.max));
}

/* Network memory is what the others leave of `total`. */
static int rest_to_network(const struct conf *conf, struct tm_memory *m, uint64_t total,
                           struct error *err)
{
    uint64_t others = sum_without_network(m);
    if (others > total) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "Sum of configured Framework Heap Memory (%s), Framework Off-Heap Memory "
            "(%s), Task Heap Memory (%s), Task Off-Heap Memory (%s) and Managed Memory "
            "(%s) exceed configured Total Flink Memory (%s).",
            SHOWN(m->framework_heap), SHOWN(m->framework_off_heap), SHOWN(m->task_heap),
            SHOWN(m->task_off_heap), SHOWN(m->managed), SHOWN(total));
    }
    m->network = total - others;
    return check_network(conf, m->network, err);
}

/* Task heap is what the others leave of `total`. */
static int rest_to_task_heap(const struct conf *conf, struct tm_memory *m, uint64_t total,
                             struct error *err)
{
    struct range_fraction network;
    TRY(network_range(conf, &network, err));
    m->network = part_of(&network, total);
    uint64_t others = sum_without_network(m) + m->network;
    if (others > total) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Sum of configured Framework Heap Memory (%s), Framework Off-Heap Memory "
                         "(%s), Task Off-Heap Memory (%s), Managed Memory (%s) and Network Memory "
                         "(%s) exceed configured Total Flink Memory (%s).",
                         SHOWN(m->framework_heap), SHOWN(m->framework_off_heap),
                         SHOWN(m->task_off_heap), SHOWN(m->managed), SHOWN(m->network),
                         SHOWN(total));
    }
    m->task_heap = total - others;
    return 0;
}

static int derive_from_flink(const struct conf *conf, struct tm_memory *m, uint64_t total,
                             struct error *err)
{
    if (conf_has(conf, "taskmanager.memory.managed.size")) {
        m->managed = conf_memory(conf, "taskmanager.memory.managed.size");
    } else {
        struct range_fraction managed;
        TRY(managed_range(conf, &managed, err));
        m->managed = part_of(&managed, total);
    }
    if (conf_has(conf, "taskmanager.memory.task.heap.size")) {
        m->task_heap = conf_memory(conf, "taskmanager.memory.task.heap.size");
        TRY(rest_to_network(conf, m, total, err));
    } else {
        TRY(rest_to_task_heap(conf, m, total, err));
    }
    m->total_flink = total;
    return 0;
}

static int derive_from_parts(const struct conf *conf, struct tm_memory *m, struct error *err)
{
    m->task_heap = conf_memory(conf, "taskmanager.memory.task.heap.size");
    m->managed = conf_memory(conf, "taskmanager.memory.managed.size");
    if (conf_has(conf, "taskmanager.memory.flink.size")) {
        TRY(rest_to_network(conf, m, conf_memory(conf, "taskmanager.memory.flink.size"), err));
    } else {
        struct range_fraction network;
        TRY(network_range(conf, &network, err));
        m->network = part_beside(&network, sum_without_network(m));
    }
    m->total_flink = sum_without_network(m) + m->network;
    return 0;
}

/* ---- metaspace and overhead --------------------------------------------------------------------- */

static int overhead_from_flink(const struct conf *conf, struct tm_memory *m, struct error *err)
{
    struct range_fraction overhead;
    TRY(overhead_range(conf, &overhead, err));
    uint64_t rest = m->total_flink + m->jvm_metaspace;
    if (!conf_has(conf, "taskmanager.memory.process.size")) {
        m->jvm_overhead = part_beside(&overhead, rest);
        return 0;
    }
    uint64_t process = conf_memory(conf, "taskmanager.memory.process.size");
    if (rest > process) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Sum of Total Flink Memory (%s) and JVM Metaspace (%s) exceed configured "
                         "Total Process Memory (%s).",
                         SHOWN(m->total_flink), SHOWN(m->jvm_metaspace), SHOWN(process));
    }
    m->jvm_overhead = process - rest;
    if (m->jvm_overhead > overhead.max || m->jvm_overhead < overhead.min) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Derived JVM Overhead size (%s) is not in configured JVM Overhead range "
                         "[%s, %s].",
                         SHOWN(m->jvm_overhead), SHOWN(overhead.min), SHOWN(overhead.max));
    }
    return 0;
}

static int derive_from_process(const struct conf *conf, struct tm_memory *m, uint64_t process,
                               struct error *err)
{
    struct range_fraction overhead;
    TRY(overhead_range(conf, &overhead, err));
    m->jvm_overhead = part_of(&overhead, process);
    uint64_t outside = m->jvm_metaspace + m->jvm_overhead;
    if (outside > process) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "Sum of configured JVM Metaspace (%s) and JVM Overhead (%s) exceed "
                         "configured Total Process Memory (%s).",
                         SHOWN(m->jvm_metaspace), SHOWN(m->jvm_overhead), SHOWN(process));
    }
    return derive_from_flink(conf, m, process - outside, err);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

/* Sums of a few configured sizes must not overflow. */
static int check_sizes(const struct conf *conf, struct error *err)
{
    static const char *const options[] = {
        "taskmanager.memory.process.size",        "taskmanager.memory.flink.size",
        "taskmanager.memory.task.heap.size",      "taskmanager.memory.task.off-heap.size",
        "taskmanager.memory.framework.heap.size", "taskmanager.memory.framework.off-heap.size",
        "taskmanager.memory.managed.size",        "taskmanager.memory.jvm-metaspace.size",
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (conf_has_value(conf, options[i]) && conf_memory(conf, options[i]) > INT64_MAX / 16) {
            return error_set(err, ERR_INVALID_CONFIG, "%s (%s) is more than any machine has",
                             options[i], SHOWN(conf_memory(conf, options[i])));
        }
    }
    return 0;
}

int tm_memory_derive(const struct conf *conf, struct tm_memory *ret, struct error *err)
{
    TRY(check_sizes(conf, err));
    struct tm_memory m = {
        .framework_heap = conf_memory(conf, "taskmanager.memory.framework.heap.size"),
        .framework_off_heap = conf_memory(conf, "taskmanager.memory.framework.off-heap.size"),
        .task_off_heap = conf_memory(conf, "taskmanager.memory.task.off-heap.size"),
        .jvm_metaspace = conf_memory(conf, "taskmanager.memory.jvm-metaspace.size"),
    };
    if (conf_has(conf, "taskmanager.memory.task.heap.size") &&
        conf_has(conf, "taskmanager.memory.managed.size")) {
        TRY(derive_from_parts(conf, &m, err));
        TRY(overhead_from_flink(conf, &m, err));
    } else if (conf_has(conf, "taskmanager.memory.flink.size")) {
        TRY(derive_from_flink(conf, &m, conf_memory(conf, "taskmanager.memory.flink.size"), err));
        TRY(overhead_from_flink(conf, &m, err));
    } else {
        uint64_t process = conf_has(conf, "taskmanager.memory.process.size")
                               ? conf_memory(conf, "taskmanager.memory.process.size")
                               : TM_MEMORY_PROCESS_DEFAULT;
        TRY(derive_from_process(conf, &m, process, err));
    }
    m.total_process = m.total_flink + m.jvm_metaspace + m.jvm_overhead;
    *ret = m;
    return 0;
}

void tm_memory_fill_configuration(const struct tm_memory *m, Flinc__MemoryConfiguration *ret)
{
    flinc__memory_configuration__init(ret);
    ret->framework_heap = m->framework_heap;
    ret->task_heap = m->task_heap;
    ret->framework_off_heap = m->framework_off_heap;
    ret->task_off_heap = m->task_off_heap;
    ret->network = m->network;
    ret->managed = m->managed;
    ret->jvm_metaspace = m->jvm_metaspace;
    ret->jvm_overhead = m->jvm_overhead;
    ret->total_flink = m->total_flink;
    ret->total_process = m->total_process;
}

/* ---- what slots are worth ------------------------------------------------------------------------ */

/* external-resource.<name>.amount; 0, which is warned about: it is not there.  Flink: ExternalResourceUtils. */
static int external_amount(const struct conf *conf, const char *name, int64_t *ret,
                           struct error *err)
{
    STR_AUTO key = STR_INIT;
    static const char option[] = "external-resource.<resource_name>.amount";
    const char *from = strchr(option, '<'), *behind = strchr(option, '>') + 1;
    str_printf(&key, "%.*s%s%s", (int)(from - option), option, name, behind);
    const char *text = conf_raw(conf, str_cstr(&key));
    *ret = 0;
    if (text != NULL && number_parse_int64(slice_trim(slice_cstr(text)), ret) < 0) {
        return error_set(err, ERR_INVALID_CONFIG, "%s cannot be \"%s\": a number is expected",
                         str_cstr(&key), text);
    }
    if (*ret <= 0) {
        LOG_WARN(topic, "External resource %s is left out: %s is %s, and must be more than 0.",
                 name, str_cstr(&key), text != NULL ? text : "not set");
        *ret = 0;
    }
    return 0;
}

static int add_external(const struct conf *conf, struct resource_profile *p, struct error *err)
{
    struct text_list names = TEXT_LIST_INIT;
    int rc = 0;
    conf_list(conf, "external-resources", &names);
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        int64_t amount = 0;
        if (names.n == 1 && strcmp(names.items[i], "none") == 0) {
            break;
        }
        rc = external_amount(conf, names.items[i], &amount, err);
        if (rc == 0) {
            rc = resource_profile_add_extended(p, names.items[i], (double)amount, err);
        }
    }
    text_list_fini(&names);
    return rc;
}

int tm_memory_total_profile(const struct tm_memory *m, const struct conf *conf, uint32_t n_slots,
                            struct resource_profile *ret, struct error *err)
{
    struct resource_profile p = {.task_heap_bytes = m->task_heap,
                                 .task_off_heap_bytes = m->task_off_heap,
                                 .managed_bytes = m->managed,
                                 .network_bytes = m->network};
    double cores = conf_has(conf, "taskmanager.cpu.cores")
                       ? conf_double(conf, "taskmanager.cpu.cores")
                       : n_slots;
    if (resource_units_from(cores, &p.cpu_units) < 0 || p.cpu_units == 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "taskmanager.cpu.cores cannot be %g: a number of cores is expected",
                         cores);
    }
    if (add_external(conf, &p, err) < 0) {
        return error_set(err, ERR_INVALID_CONFIG, "external-resources: %s", err->message);
    }
    *ret = p;
    return 0;
}

void tm_memory_append_text(const struct tm_memory *m, struct str *out)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {
        {"Total Process Memory", m->total_process},
        {"  Total Flink Memory", m->total_flink},
        {"    Framework Heap Memory", m->framework_heap},
        {"    Task Heap Memory", m->task_heap},
        {"    Framework Off-heap Memory", m->framework_off_heap},
        {"    Task Off-heap Memory", m->task_off_heap},
        {"    Network Memory", m->network},
        {"    Managed Memory", m->managed},
        {"  JVM Metaspace", m->jvm_metaspace},
        {"  JVM Overhead", m->jvm_overhead},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str_printf(out, "%s%s: %s", i > 0 ? "\n" : "", rows[i].name, SHOWN(rows[i].bytes));
    }
}
