/* What a program learns from its machine, as a test wants it: preloaded, it answers for the resolver
 * and the wall clock. Nothing else is touched; timers go by the monotonic clock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Seconds by which the wall clock is wrong; one number in a file that the test writes. */
static const volatile int64_t *wrong;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MACHINE_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *wrong, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED)
        wrong = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && wrong && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += *wrong;
    return result;
}

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The file has lines of a name and an address; a name whose address is "-" does not resolve. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    resolver *next = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("MACHINE_HOSTS");
    FILE *hosts = node && path ? fopen(path, "re") : NULL;
    char name[256], address[256];
    int known = 0;
    struct addrinfo *first = NULL, **end = &first;
    while (hosts && fscanf(hosts, "%255s %255s", name, address) == 2) {
        if (strcmp(name, node) != 0)
            continue;
        known = 1;
        if (strcmp(address, "-") == 0 || next(address, service, hints, end) != 0)
            continue;
        while (*end)
            end = &(*end)->ai_next;
    }
    if (hosts)
        fclose(hosts);
    if (!known)
        return next(node, service, hints, result);
    *result = first;
    return first ? 0 : EAI_AGAIN;
}
