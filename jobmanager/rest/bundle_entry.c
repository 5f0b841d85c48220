/* Reading the job's name out of an ELF file: the dynamic symbol flinc_job_entry, the relocation of its
 * `name` field, the string there; see bundle_entry.h. */
#include "jobmanager/rest/bundle_entry.h"
#include "flinc/flinc.h"
#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ENTRY_SYMBOL "flinc_job_entry"

struct elf_bytes {
    const uint8_t *data;
    size_t size;
    Elf64_Ehdr header;
};

/* Copies `n` bytes at an offset; false: they are not all there. */
static bool elf_get(const struct elf_bytes *e, uint64_t offset, void *ret, size_t n)
{
    if (offset > e->size || n > e->size - offset) {
        return false;
    }
    memcpy(ret, e->data + offset, n);
    return true;
}

static bool elf_section(const struct elf_bytes *e, uint32_t i, Elf64_Shdr *ret)
{
    return i < e->header.e_shnum && e->header.e_shoff <= e->size &&
           elf_get(e, e->header.e_shoff + (uint64_t)i * sizeof(*ret), ret, sizeof(*ret));
}

/* The file offset of an address; false: no part of the file is loaded there. */
static bool elf_offset(const struct elf_bytes *e, uint64_t address, uint64_t *ret)
{
    for (uint32_t i = 0; i < e->header.e_phnum; i++) {
        Elf64_Phdr p;
        if (e->header.e_phoff > e->size ||
            !elf_get(e, e->header.e_phoff + (uint64_t)i * sizeof(p), &p, sizeof(p))) {
            return false;
        }
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
            return !__builtin_add_overflow(p.p_offset, address - p.p_vaddr, ret);
        }
    }
    return false;
}

/* Is there this text with its NUL at an offset? */
static bool elf_text_is(const struct elf_bytes *e, uint64_t offset, const char *text)
{
    size_t n = strlen(text) + 1;
    return offset <= e->size && n <= e->size - offset && memcmp(e->data + offset, text, n) == 0;
}

/* ---- symbol and relocation ------------------------------------------------------------------------ */

static bool find_in_symbols(const struct elf_bytes *e, const Elf64_Shdr *symbols, uint64_t *ret)
{
    Elf64_Shdr names;
    if (!elf_section(e, symbols->sh_link, &names)) {
        return false;
    }
    uint64_t n = MIN(symbols->sh_size, (uint64_t)e->size) / sizeof(Elf64_Sym);
    for (uint64_t i = 0; i < n; i++) {
        Elf64_Sym s;
        uint64_t name;
        if (__builtin_add_overflow(symbols->sh_offset, i * sizeof(s), &name) ||
            !elf_get(e, name, &s, sizeof(s))) {
            return false;
        }
        if (s.st_shndx != SHN_UNDEF && !__builtin_add_overflow(names.sh_offset, s.st_name, &name) &&
            elf_text_is(e, name, ENTRY_SYMBOL)) {
            *ret = s.st_value;
            return true;
        }
    }
    return false;
}

/* The value that a relocation puts at an address: of a relative one the addend.  What no relocation
 * names stands in the file (RELR). */
static bool find_in_relocations(const struct elf_bytes *e, const Elf64_Shdr *relocations,
                                uint64_t address, uint64_t *ret)
{
    uint64_t n = MIN(relocations->sh_size, (uint64_t)e->size) / sizeof(Elf64_Rela);
    for (uint64_t i = 0; i < n; i++) {
        Elf64_Rela r;
        uint64_t at;
        if (__builtin_add_overflow(relocations->sh_offset, i * sizeof(r), &at) ||
            !elf_get(e, at, &r, sizeof(r))) {
            return false;
        }
        if (r.r_offset == address) {
            *ret = (uint64_t)r.r_addend;
            return true;
        }
    }
    return false;
}

/* The first section of a type for which `find` succeeds. */
static bool find_symbol(const struct elf_bytes *e, uint64_t *ret)
{
    for (uint32_t i = 0; i < e->header.e_shnum; i++) {
        Elf64_Shdr s;
        if (elf_section(e, i, &s) && s.sh_type == SHT_DYNSYM && find_in_symbols(e, &s, ret)) {
            return true;
        }
    }
    return false;
}

static bool find_pointer(const struct elf_bytes *e, uint64_t address, uint64_t *ret)
{
    uint64_t offset;
    for (uint32_t i = 0; i < e->header.e_shnum; i++) {
        Elf64_Shdr s;
        if (elf_section(e, i, &s) && s.sh_type == SHT_RELA &&
            find_in_relocations(e, &s, address, ret)) {
            return true;
        }
    }
    return elf_offset(e, address, &offset) && elf_get(e, offset, ret, sizeof(*ret));
}

/* ---- reading -------------------------------------------------------------------------------------- */

static bool read_name(const struct elf_bytes *e, uint64_t address, char *ret_name)
{
    uint64_t offset = 0;
    size_t n = 0;
    if (!elf_offset(e, address, &offset) || offset >= e->size) {
        return false;
    }
    const char *text = (const char *)e->data + offset;
    while (n < e->size - offset && n <= BUNDLE_ENTRY_NAME_MAX && text[n] != '\0') {
        if (text[n] < ' ' || text[n] == 0x7f) {
            return false;
        }
        n++;
    }
    if (n == 0 || n > BUNDLE_ENTRY_NAME_MAX || n == e->size - offset) {
        return false;
    }
    memcpy(ret_name, text, n);
    ret_name[n] = '\0';
    return true;
}

bool bundle_entry_read(const uint8_t *data, size_t size, char ret_name[BUNDLE_ENTRY_NAME_MAX + 1])
{
    struct elf_bytes e = {.data = data, .size = size};
    uint64_t entry, field, name;
    if (!elf_get(&e, 0, &e.header, sizeof(e.header)) ||
        memcmp(e.header.e_ident, ELFMAG, SELFMAG) != 0 ||
        e.header.e_ident[EI_CLASS] != ELFCLASS64 || e.header.e_ident[EI_DATA] != ELFDATA2LSB ||
        e.header.e_shentsize != sizeof(Elf64_Shdr) || e.header.e_phentsize != sizeof(Elf64_Phdr)) {
        return false;
    }
    return find_symbol(&e, &entry) &&
           !__builtin_add_overflow(entry, offsetof(flinc_job, name), &field) &&
           find_pointer(&e, field, &name) && read_name(&e, name, ret_name);
}

bool bundle_entry_read_file(int fd, char ret_name[BUNDLE_ENTRY_NAME_MAX + 1])
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size <= 0) {
        return false;
    }
    size_t size = (size_t)st.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return false;
    }
    bool found = bundle_entry_read(data, size, ret_name);
    munmap(data, size);
    return found;
}
