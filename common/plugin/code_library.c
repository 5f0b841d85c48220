/* Walks the loaded objects (dl_iterate_phdr) and their ELF notes; see code_library.h. */
#include "common/plugin/code_library.h"
#include <link.h>
#include <stdlib.h>
#include <string.h>

/* What a walk looks for and finds. */
struct code_search {
    uintptr_t address;    /* by address, when path is NULL */
    const char *path;     /* by real path */
    bool executable_only; /* the address must lie in an executable segment */
    bool found;
    struct code_library *ret;
};

static bool holds_address(const struct dl_phdr_info *info, const struct code_search *s)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type == PT_LOAD && s->address >= start && s->address - start < ph->p_memsz &&
            (!s->executable_only || (ph->p_flags & PF_X) != 0)) {
            return true;
        }
    }
    return false;
}

static void object_path(const struct dl_phdr_info *info, char ret[PATH_MAX])
{
    const char *name = info->dlpi_name[0] != '\0' ? info->dlpi_name : "/proc/self/exe";

    if (realpath(name, ret) == NULL) {
        (void)strncpy(ret, name, PATH_MAX - 1);
        ret[PATH_MAX - 1] = '\0';
    }
}

static void hex_of(const uint8_t *bytes, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * n] = '\0';
}

/* Notes are {name size, descriptor size, type, name, descriptor}, each padded to four bytes. */
static void read_build_id(const struct dl_phdr_info *info, char *ret)
{
    ret[0] = '\0';
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_NOTE) {
            continue;
        }
        const uint8_t *p = (const uint8_t *)(info->dlpi_addr + ph->p_vaddr);
        const uint8_t *end = p + ph->p_memsz;
        while ((size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) note;
            memcpy(&note, p, sizeof(note));
            const uint8_t *name = p + sizeof(note);
            size_t name_bytes = ((size_t)note.n_namesz + 3) & ~(size_t)3;
            size_t desc_bytes = ((size_t)note.n_descsz + 3) & ~(size_t)3;
            if (name_bytes + desc_bytes > (size_t)(end - name)) {
                break;
            }
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
                memcmp(name, "GNU", 4) == 0 && note.n_descsz <= CODE_BUILD_ID_MAX) {
                hex_of(name + name_bytes, note.n_descsz, ret);
                return;
            }
            p = name + name_bytes + desc_bytes;
        }
    }
}

static int visit_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct code_search *s = arg;
    char path[PATH_MAX];

    (void)size;
    if (s->path == NULL && !holds_address(info, s)) {
        return 0;
    }
    object_path(info, path);
    if (s->path != NULL && strcmp(s->path, path) != 0) {
        return 0;
    }
    s->found = true;
    if (s->ret != NULL) {
        s->ret->base = info->dlpi_addr;
        memcpy(s->ret->path, path, sizeof(path));
        read_build_id(info, s->ret->build_id);
    }
    return 1;
}

int code_library_of_address(struct code_library *ret, const void *address, struct error *err)
{
    struct code_search s = {.address = (uintptr_t)address, .ret = ret};

    (void)dl_iterate_phdr(visit_object, &s);
    if (!s.found) {
        return error_set(err, ERR_NOT_FOUND, "address %p lies in no loaded library", address);
    }
    return 0;
}

int code_library_find(struct code_library *ret, const char *path, const char *build_id,
                      struct error *err)
{
    char real[PATH_MAX];
    struct code_library found;
    struct code_search s = {.path = real, .ret = &found};

    if (realpath(path, real) == NULL) {
        (void)strncpy(real, path, sizeof(real) - 1);
        real[sizeof(real) - 1] = '\0';
    }
    (void)dl_iterate_phdr(visit_object, &s);
    if (!s.found) {
        return error_set(err, ERR_NOT_FOUND, "library %s is not loaded", path);
    }
    if (build_id[0] != '\0' && strcmp(found.build_id, build_id) != 0) {
        return error_set(err, ERR_FENCED,
                         "library %s has build id %s, the job was built with %s: submit the job "
                         "again",
                         path, found.build_id, build_id);
    }
    *ret = found;
    return 0;
}

int code_library_address(const struct code_library *lib, uint64_t offset, void **ret_address,
                         struct error *err)
{
    struct code_library holder;
    struct code_search s = {.address = lib->base + offset, .executable_only = true, .ret = &holder};

    (void)dl_iterate_phdr(visit_object, &s);
    if (!s.found || holder.base != lib->base) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "offset %llu is in no executable part of %s: the job graph does not fit "
                         "the library",
                         (unsigned long long)offset, lib->path);
    }
    *ret_address = (void *)(lib->base + offset);
    return 0;
}
