/* Profiles of slots as whole numbers; see resource_profile.h. */
#include "engine/graph/resource_profile.h"

#include "common/text/units.h"
#include <math.h>
#include <string.h>

int resource_units_from(double amount, uint64_t *ret_units)
{
    if (!(amount >= 0 && amount <= RESOURCE_AMOUNT_MAX)) {
        return ERR_INVALID_ARGUMENT;
    }
    *ret_units = (uint64_t)llround(amount * RESOURCE_UNITS);
    return 0;
}

double resource_units_to(uint64_t units)
{
    return (double)units / RESOURCE_UNITS;
}

/* ---- external resources --------------------------------------------------------------------------- */

/* Where it is, or where it would be. */
static uint32_t position_of(const struct resource_profile *p, const char *name, bool *ret_found)
{
    uint32_t i = 0;
    int order = 1;
    while (i < p->n_extended && (order = strcmp(p->extended[i].name, name)) < 0) {
        i++;
    }
    *ret_found = i < p->n_extended && order == 0;
    return i;
}

static uint64_t extended_units(const struct resource_profile *p, const char *name)
{
    bool found = false;
    uint32_t i = position_of(p, name, &found);
    return found ? p->extended[i].units : 0;
}

/* There is room. */
static struct extended_resource *insert(struct resource_profile *p, uint32_t at, const char *name)
{
    ASSERT(p->n_extended < RESOURCE_EXTENDED_MAX && strlen(name) <= RESOURCE_NAME_MAX);
    struct extended_resource *e = &p->extended[at];
    memmove(e + 1, e, (p->n_extended - at) * sizeof(*e));
    *e = (struct extended_resource){0};
    memcpy(e->name, name, strlen(name) + 1);
    p->n_extended++;
    return e;
}

static void drop_empty(struct resource_profile *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_extended; i++) {
        if (p->extended[i].units > 0) {
            p->extended[n++] = p->extended[i];
        }
    }
    memset(&p->extended[n], 0, (p->n_extended - n) * sizeof(p->extended[0]));
    p->n_extended = n;
}

static bool name_is_sound(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= RESOURCE_NAME_MAX;
}

int resource_profile_add_extended(struct resource_profile *p, const char *name, double amount,
                                  struct error *err)
{
    uint64_t units = 0;
    bool found = false;
    if (!name_is_sound(name)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the name of an external resource must have 1 to %d characters and no "
                         "blanks, not '%.80s'",
                         RESOURCE_NAME_MAX, name);
    }
    if (resource_units_from(amount, &units) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the amount of external resource '%s' must be between 0 and %g, not %g",
                         name, RESOURCE_AMOUNT_MAX, amount);
    }
    uint32_t at = position_of(p, name, &found);
    if (found) {
        return error_set(err, ERR_INVALID_ARGUMENT, "external resource '%s' is given twice", name);
    }
    if (units == 0) {
        return 0;
    }
    if (p->n_extended == RESOURCE_EXTENDED_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "there are more than %d external resources",
                         RESOURCE_EXTENDED_MAX);
    }
    insert(p, at, name)->units = units;
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------------- */

int resource_profile_read(const Flinc__ResourceProfile *m, struct resource_profile *ret,
                          struct error *err)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } memory[] = {{"task heap memory", m->task_heap_bytes},
                  {"task off-heap memory", m->task_off_heap_bytes},
                  {"managed memory", m->managed_bytes},
                  {"network memory", m->network_bytes}};
    struct resource_profile p = {.task_heap_bytes = m->task_heap_bytes,
                                 .task_off_heap_bytes = m->task_off_heap_bytes,
                                 .managed_bytes = m->managed_bytes,
                                 .network_bytes = m->network_bytes};
    for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
        if (memory[i].bytes > RESOURCE_BYTES_MAX) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "%llu bytes of %s are more than any machine has",
                             (unsigned long long)memory[i].bytes, memory[i].name);
        }
    }
    if (resource_units_from(m->cpu_cores, &p.cpu_units) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%g CPU cores make no sense", m->cpu_cores);
    }
    for (size_t i = 0; i < m->n_extended; i++) {
        TRY(resource_profile_add_extended(&p, m->extended[i]->name, m->extended[i]->amount, err));
    }
    *ret = p;
    return 0;
}

void resource_profile_fill(const struct resource_profile *p, struct resource_profile_message *ret)
{
    Flinc__ResourceProfile *m = &ret->profile;
    flinc__resource_profile__init(m);
    m->cpu_cores = resource_units_to(p->cpu_units);
    m->task_heap_bytes = p->task_heap_bytes;
    m->task_off_heap_bytes = p->task_off_heap_bytes;
    m->managed_bytes = p->managed_bytes;
    m->network_bytes = p->network_bytes;
    for (uint32_t i = 0; i < p->n_extended; i++) {
        flinc__external_resource__init(&ret->rows[i]);
        ret->rows[i].name = (char *)(uintptr_t)p->extended[i].name; /* read only */
        ret->rows[i].amount = resource_units_to(p->extended[i].units);
        ret->links[i] = &ret->rows[i];
    }
    m->extended = ret->links;
    m->n_extended = p->n_extended;
}

/* ---- arithmetic ----------------------------------------------------------------------------------- */

bool resource_profile_equals(const struct resource_profile *a, const struct resource_profile *b)
{
    return resource_profile_fits(a, b) && resource_profile_fits(b, a);
}

bool resource_profile_fits(const struct resource_profile *need, const struct resource_profile *have)
{
    if (need->cpu_units > have->cpu_units || need->task_heap_bytes > have->task_heap_bytes ||
        need->task_off_heap_bytes > have->task_off_heap_bytes ||
        need->managed_bytes > have->managed_bytes || need->network_bytes > have->network_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < need->n_extended; i++) {
        if (need->extended[i].units > extended_units(have, need->extended[i].name)) {
            return false;
        }
    }
    return true;
}

void resource_profile_add(struct resource_profile *sum, const struct resource_profile *p)
{
    sum->cpu_units += p->cpu_units;
    sum->task_heap_bytes += p->task_heap_bytes;
    sum->task_off_heap_bytes += p->task_off_heap_bytes;
    sum->managed_bytes += p->managed_bytes;
    sum->network_bytes += p->network_bytes;
    for (uint32_t i = 0; i < p->n_extended; i++) {
        bool found = false;
        uint32_t at = position_of(sum, p->extended[i].name, &found);
        if (found) {
            sum->extended[at].units += p->extended[i].units;
        } else if (sum->n_extended < RESOURCE_EXTENDED_MAX) {
            insert(sum, at, p->extended[i].name)->units = p->extended[i].units;
        }
    }
}

static void take(uint64_t *from, uint64_t n)
{
    *from -= MIN(*from, n);
}

void resource_profile_subtract(struct resource_profile *from, const struct resource_profile *p)
{
    take(&from->cpu_units, p->cpu_units);
    take(&from->task_heap_bytes, p->task_heap_bytes);
    take(&from->task_off_heap_bytes, p->task_off_heap_bytes);
    take(&from->managed_bytes, p->managed_bytes);
    take(&from->network_bytes, p->network_bytes);
    for (uint32_t i = 0; i < from->n_extended; i++) {
        take(&from->extended[i].units, extended_units(p, from->extended[i].name));
    }
    drop_empty(from);
}

void resource_profile_divide(struct resource_profile *p, uint32_t n)
{
    p->cpu_units /= n;
    p->task_heap_bytes /= n;
    p->task_off_heap_bytes /= n;
    p->managed_bytes /= n;
    p->network_bytes /= n;
    for (uint32_t i = 0; i < p->n_extended; i++) {
        p->extended[i].units /= n;
    }
    drop_empty(p);
}

/* ---- text ----------------------------------------------------------------------------------------- */

void resource_profile_append_text(const struct resource_profile *p, struct str *out)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } memory[] = {{"taskHeapMemory", p->task_heap_bytes},
                  {"taskOffHeapMemory", p->task_off_heap_bytes},
                  {"managedMemory", p->managed_bytes},
                  {"networkMemory", p->network_bytes}};
    str_printf(out, "ResourceProfile{cpuCores=%.10g", resource_units_to(p->cpu_units));
    for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
        str_printf(out, ", %s=", memory[i].name);
        memory_size_format_readable(memory[i].bytes, out);
    }
    for (uint32_t i = 0; i < p->n_extended; i++) {
        str_printf(out, ", %s=%.10g", p->extended[i].name, resource_units_to(p->extended[i].units));
    }
    str_printf(out, "}");
}
