/* Looking at the first bytes of a file: what is it, if it is no shared object for this machine? */
#include "common/plugin/elf_check.h"
#include "common/base/str.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

/* The header of this very program says what the machine is. */
#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE EM_AARCH64
#elif defined(__riscv)
#define THIS_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define THIS_MACHINE EM_PPC64
#elif defined(__s390x__)
#define THIS_MACHINE EM_S390
#else
#error "name this machine's ELF number"
#endif

struct machine_name {
    unsigned machine;
    const char *name;
};

static const struct machine_name machine_names[] = {
    {EM_386, "32-bit x86"}, {EM_X86_64, "x86-64"}, {EM_AARCH64, "arm64"}, {EM_ARM, "32-bit arm"},
    {EM_RISCV, "RISC-V"},   {EM_PPC64, "POWER"},   {EM_S390, "s390x"},    {EM_MIPS, "MIPS"},
};

static const char *machine_name(unsigned machine)
{
    for (size_t i = 0; i < ARRAY_LEN(machine_names); i++) {
        if (machine_names[i].machine == machine) {
            return machine_names[i].name;
        }
    }
    return "another kind of machine";
}

/* What people hand over by mistake, by its first bytes. */
struct magic {
    struct slice bytes;
    const char *what;
};

static const struct magic magics[] = {
    {{"PK\x03\x04", 4},
     "a zip or jar file; Java code cannot be run here, build a job bundle from C: a "
     "shared object (cc -shared -fPIC)"},
    {{"\xca\xfe\xba\xbe", 4}, "a Java class or a macOS program"},
    {{"\x1f\x8b", 2}, "a gzip file; unpack it first"},
    {{"\x28\xb5\x2f\xfd", 4}, "a zstd file; unpack it first"},
    {{"!<arch>\n", 8}, "a static library; link it with -shared"},
    {{"MZ", 2}, "a Windows program"},
    {{"\xcf\xfa\xed\xfe", 4}, "a macOS program"},
    {{"#!", 2}, "a script"},
};

static int refuse_foreign(const char *path, const unsigned char *head, size_t len,
                          struct error *err)
{
    if (len == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is empty, not a shared object", path);
    }
    for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
        struct slice bytes = magics[i].bytes;
        if (len >= bytes.len && memcmp(head, bytes.data, bytes.len) == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "%s is not a shared object (no ELF file): "
                             "it looks like %s",
                             path, magics[i].what);
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "%s is not a shared object (no ELF file); build it with cc -shared -fPIC",
                     path);
}

static const char *type_text(unsigned type)
{
    switch (type) {
    case ET_REL:
        return "an object file, not yet linked: link it with -shared";
    case ET_EXEC:
        return "a program: build it with -shared -fPIC instead";
    case ET_CORE:
        return "a core dump";
    default:
        return "no shared object";
    }
}

static int check_header(const char *path, const unsigned char *head, size_t len, struct error *err)
{
    if (len < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0) {
        return refuse_foreign(path, head, len, err);
    }
    ElfW(Ehdr) header;
    if (len < EI_NIDENT || (head[EI_CLASS] == ELFCLASS64 && len < sizeof(header))) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s is a truncated ELF file: copy or build it again", path);
    }
    if (head[EI_CLASS] != ELFCLASS64) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s is built for a 32-bit machine, this is %s: build it for %s", path,
                         machine_name(THIS_MACHINE), machine_name(THIS_MACHINE));
    }
    memcpy(&header, head, sizeof(header));
    if (head[EI_DATA] != ELFDATA2LSB || header.e_machine != THIS_MACHINE) {
        unsigned machine = head[EI_DATA] == ELFDATA2LSB ? header.e_machine : EM_NONE;
        return error_set(
            err, ERR_INVALID_ARGUMENT, "%s is built for %s, this is %s: build it for %s", path,
            machine_name(machine), machine_name(THIS_MACHINE), machine_name(THIS_MACHINE));
    }
    if (header.e_type != ET_DYN) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is %s", path, type_text(header.e_type));
    }
    return 0;
}

/* A copy that stopped half way has its headers but not what they point to; mapping it would fault. */
static int check_length(const char *path, const unsigned char *head, uint64_t size_bytes, int fd,
                        struct error *err)
{
    ElfW(Ehdr) header;
    memcpy(&header, head, sizeof(header));
    uint64_t table_end = 0;
    bool whole = header.e_phentsize == sizeof(ElfW(Phdr)) &&
                 !__builtin_add_overflow(
                     header.e_phoff, (uint64_t)header.e_phnum * sizeof(ElfW(Phdr)), &table_end) &&
                 table_end <= size_bytes;
    for (unsigned i = 0; whole && i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        off_t at = (off_t)(header.e_phoff + i * sizeof(segment));
        uint64_t end;
        whole = pread(fd, &segment, sizeof(segment), at) == (ssize_t)sizeof(segment) &&
                (segment.p_type != PT_LOAD ||
                 (!__builtin_add_overflow(segment.p_offset, segment.p_filesz, &end) &&
                  end <= size_bytes));
    }
    if (!whole) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s is a truncated ELF file: copy or build it again", path);
    }
    return 0;
}

static int check_open(const char *path, int fd, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return error_set_errno(err, errno, "reading %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is %s, not a shared object", path,
                         S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    }
    unsigned char head[sizeof(ElfW(Ehdr))];
    ssize_t n = pread(fd, head, sizeof(head), 0);
    if (n < 0) {
        return error_set_errno(err, errno, "reading %s", path);
    }
    TRY(check_header(path, head, (size_t)n, err));
    return check_length(path, head, (uint64_t)st.st_size, fd, err);
}

int elf_check_shared_object(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening the shared object %s", path);
    }
    int rc = check_open(path, fd, err);
    close(fd);
    return rc;
}
