// The same measurements as ReclamationBench.cs, with liburcu's memb flavour, its small functions inlined. Prints "name nanoseconds" lines.
// Built by the bench: gcc -O2 -pthread liburcu-peer.c -o liburcu-peer -lurcu-memb
#define _GNU_SOURCE
#define _LGPL_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#define SECTIONS 20000000L
#define ROUNDS 5
#define SYNCHRONIZES 2000

static long value = 1;
static long *published = &value;
static volatile int over;
static volatile long progress;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static __attribute__((noinline)) long bare(long turns)
{
    long sum = 0;
    for (long i = 0; i < turns; i++)
        sum += *rcu_dereference(published);
    return sum;
}

static __attribute__((noinline)) long section(long turns)
{
    long sum = 0;
    for (long i = 0; i < turns; i++) {
        urcu_memb_read_lock();
        sum += *rcu_dereference(published);
        urcu_memb_read_unlock();
    }
    return sum;
}

static double best(long (*measured)(long))
{
    double least = 1e99;
    for (int round = 0; round < ROUNDS; round++) {
        double began = now();
        if (measured(SECTIONS) != SECTIONS)
            abort();
        double time = (now() - began) / SECTIONS;
        if (time < least)
            least = time;
    }
    return least;
}

static void *reader(void *unused)
{
    (void)unused;
    pin(1);
    urcu_memb_register_thread();
    while (!over) {
        section(1000);
        progress++;
    }
    urcu_memb_unregister_thread();
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_synchronize(void)
{
    static double times[SYNCHRONIZES];
    for (int i = 0; i < SYNCHRONIZES; i++) {
        double began = now();
        urcu_memb_synchronize_rcu();
        times[i] = now() - began;
    }
    qsort(times, SYNCHRONIZES, sizeof *times, ascending);
    return times[SYNCHRONIZES / 2];
}

int main(void)
{
    pthread_t thread;
    pin(0);
    urcu_memb_register_thread();
    bare(SECTIONS);
    printf("bare %.3f\n", best(bare));
    section(SECTIONS);
    printf("section %.3f\n", best(section));
    // This thread stays registered: with nobody registered, a grace period returns before it has done anything.
    printf("synchronize-alone %.0f\n", median_synchronize());
    pthread_create(&thread, NULL, reader, NULL);
    while (progress < 100)
        sched_yield();
    printf("synchronize-reader %.0f\n", median_synchronize());
    over = 1;
    pthread_join(thread, NULL);
    return 0;
}
