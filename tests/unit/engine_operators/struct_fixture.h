/* StructDesc messages of the SDK's structs, for configurations that carry one. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_STRUCT_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_STRUCT_FIXTURE_H

#include "fixture.h"

/* In the arena; names are borrowed. */
static inline Flinc__StructDesc *struct_desc_of(const flinc_struct *type, struct arena *arena)
{
    Flinc__StructDesc *d = arena_alloc(arena, sizeof(*d));
    flinc__struct_desc__init(d);
    d->size = type->size;
    d->fields = arena_alloc(arena, sizeof(*d->fields) * type->n_fields);
    for (uint32_t i = 0; i < type->n_fields; i++) {
        Flinc__StructField *f = arena_alloc(arena, sizeof(*f));
        flinc__struct_field__init(f);
        f->name = (char *)(uintptr_t)type->fields[i].name;
        f->kind = type->fields[i].kind;
        f->offset = type->fields[i].offset;
        f->null_offset = type->fields[i].null_offset;
        d->fields[d->n_fields++] = f;
    }
    return d;
}

#endif
