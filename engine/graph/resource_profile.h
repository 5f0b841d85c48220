/* What a slot is worth: CPU, memory and external resources (a GPU), as numbers that can be compared, added and
 * taken away without loss.  On the wire: Flinc__ResourceProfile (proto/graph.proto).
 * Thread: any; plain values.  Flink: ResourceProfile, CPUResource, ExternalResource. */
#ifndef FLINC_ENGINE_GRAPH_RESOURCE_PROFILE_H
#define FLINC_ENGINE_GRAPH_RESOURCE_PROFILE_H

#include "common/base/str.h"
#include "proto/graph.pb-c.h"

enum {
    RESOURCE_UNITS = 100000000, /* of one core; as many digits as Flink keeps */
    RESOURCE_EXTENDED_MAX = 8,  /* external resources of a profile */
    RESOURCE_NAME_MAX = 63,     /* bytes of the name of one */
};
#define RESOURCE_AMOUNT_MAX 1e9                /* cores, or pieces of an external resource */
#define RESOURCE_BYTES_MAX (UINT64_C(1) << 60) /* of each kind of memory */

struct extended_resource {
    char name[RESOURCE_NAME_MAX + 1];
    uint64_t units;
};

struct resource_profile {
    uint64_t cpu_units;
    uint64_t task_heap_bytes, task_off_heap_bytes, managed_bytes, network_bytes;
    uint32_t n_extended;
    struct extended_resource extended[RESOURCE_EXTENDED_MAX]; /* by name; none of 0 units */
};

/* A number of cores, or of an external resource, in units; negative: it is negative, not finite or too large. */
int resource_units_from(double amount, uint64_t *ret_units) MUST_CHECK;
double resource_units_to(uint64_t units);
/* Adds an external resource that is not there yet.  ERR_INVALID_ARGUMENT with what is wrong with name or amount; 0
 * of it is none. */
int resource_profile_add_extended(struct resource_profile *p, const char *name, double amount,
                                  struct error *err) MUST_CHECK;
/* Checks all of it: it may come from anywhere.  ERR_INVALID_ARGUMENT. */
int resource_profile_read(const Flinc__ResourceProfile *m, struct resource_profile *ret,
                          struct error *err) MUST_CHECK;

/* A message that borrows from the profile; nothing in it is owned. */
struct resource_profile_message {
    Flinc__ResourceProfile profile;
    Flinc__ExternalResource rows[RESOURCE_EXTENDED_MAX];
    Flinc__ExternalResource *links[RESOURCE_EXTENDED_MAX];
};
void resource_profile_fill(const struct resource_profile *p, struct resource_profile_message *ret);

bool resource_profile_equals(const struct resource_profile *a, const struct resource_profile *b);
/* Is everything that `need` asks for in `have`? */
bool resource_profile_fits(const struct resource_profile *need,
                           const struct resource_profile *have);
/* External resources beyond RESOURCE_EXTENDED_MAX names are left out: what fits into one profile has no more. */
void resource_profile_add(struct resource_profile *sum, const struct resource_profile *p);
/* Nothing falls below 0. */
void resource_profile_subtract(struct resource_profile *from, const struct resource_profile *p);
/* An n-th of it, rounded down. */
void resource_profile_divide(struct resource_profile *p, uint32_t n);
/* "ResourceProfile{cpuCores=1, taskHeapMemory=100.000mb (104857600 bytes), ..., gpu=1}", as Flink shows it. */
void resource_profile_append_text(const struct resource_profile *p, struct str *out);

#endif
