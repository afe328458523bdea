using System.Runtime.InteropServices;
using Crosscore.HazardPointers;

namespace Crosscore.Tests.HazardPointers;

/// <summary>
/// Readers, writers, thread churn and forced collections at once. Every object says whether it was reclaimed and how
/// old it is, so a reader notices one that it should not have.
/// </summary>
public sealed class HazardStressTests
{
    private const long Poison = unchecked((long)0xDEAD_DEAD_DEAD_DEAD);
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(2);

    [Fact]
    public void No_reader_meets_a_reclaimed_object_and_the_garbage_is_bounded()
    {
        const int Retiring = 2;
        using var domain = new HazardDomain(scanThreshold: 16, executor: HazardExecutor.Caller);
        var sources = new Item?[4];
        long made = 0;
        long reclaimed = 0;
        long most = 0;
        long slots = 0; // the most that were seen, for they fall when threads have gone
        for (int index = 0; index < sources.Length; index++)
        {
            sources[index] = new Item(++made);
        }

        void Read(Workers workers)
        {
            using HazardPointer hazard = domain.Acquire();
            long newest = 0;
            for (int round = 0; workers.Continue; round++)
            {
                Item item = hazard.Protect(ref sources[0])!;
                long age = item.Number;
                Assert.True(item.IsWhole, "a reader met an object that was reclaimed");
                Assert.True(age >= newest, "a source went back to an older object");
                newest = age;
                Assert.True(hazard.Protect(ref sources[round % sources.Length])!.IsWhole);
            }
        }

        void Write(Workers workers)
        {
            while (workers.Continue)
            {
                long number = Interlocked.Increment(ref made);
                int index = (int)(number % (sources.Length - 1)) + 1;
                Replace(index, number);
            }
        }

        void Replace(int index, long number)
        {
            Item old = Interlocked.Exchange(ref sources[index], new Item(number))!;
            domain.Retire(
                old,
                item =>
                {
                    item.Reclaim();
                    Interlocked.Increment(ref reclaimed);
                }
            );
            InterlockedMax(ref most, domain.RetiredCount);
        }

        void WriteFirst(Workers workers)
        {
            while (workers.Continue)
            {
                Replace(0, Interlocked.Increment(ref made));
            }
        }

        void Churn(Workers workers)
        {
            while (workers.Continue)
            {
                Workers.OnOtherThread(() =>
                {
                    HazardPointer forgotten = domain.Acquire();
                    Assert.True(forgotten.Protect(ref sources[1])!.IsWhole);
                    using HazardPointerArray hazards = domain.Acquire(3);
                    for (int index = 0; index < 3; index++)
                    {
                        Assert.True(hazards[index].Protect(ref sources[index])!.IsWhole);
                    }
                });
                InterlockedMax(ref slots, domain.SlotCount);
                GC.Collect();
            }
        }

        Workers.Run(Time, Read, Read, Write, WriteFirst, Churn);
        domain.Reclaim();
        Assert.Equal(made - sources.Length, reclaimed + domain.RetiredCount);
        Assert.Equal(0, domain.RetiredCount);
        long bound = (Retiring + 1) * (domain.ScanThreshold + (2 * slots) + Retiring);
        Assert.InRange(most, 1, bound);
    }

    [Fact]
    public unsafe void No_reader_meets_freed_memory()
    {
        using var domain = new HazardDomain(scanThreshold: 8, executor: HazardExecutor.Caller);
        nint source = 0;
        long number = 0;

        // Freed nodes keep their memory to the end, poisoned, so that a mistake is seen and not a crash. The last ones
        // are used again, which would be the next mistake.
        var pool = new Stack<nint>();
        var all = new List<nint>();

        nint Make()
        {
            lock (pool)
            {
                if (!pool.TryPop(out nint node))
                {
                    node = (nint)NativeMemory.Alloc(2 * sizeof(long));
                    all.Add(node);
                }

                ((long*)node)[0] = ++number;
                ((long*)node)[1] = ~number;
                return node;
            }
        }

        void Free(nint node)
        {
            lock (pool)
            {
                Assert.NotEqual(Poison, ((long*)node)[0]);
                ((long*)node)[0] = Poison;
                ((long*)node)[1] = Poison;
                pool.Push(node);
            }
        }

        void Read(Workers workers)
        {
            using HazardPointer hazard = domain.Acquire();
            long newest = 0;
            while (workers.Continue)
            {
                var node = (long*)hazard.Protect(ref source);
                long first = Volatile.Read(ref node[0]);
                Thread.SpinWait((int)(first & 31));
                long second = Volatile.Read(ref node[1]);
                Assert.Equal(~first, second);
                Assert.True(first >= newest, "the source went back to an older node");
                newest = first;
            }
        }

        void Write(Workers workers)
        {
            while (workers.Continue)
            {
                domain.Retire(Interlocked.Exchange(ref source, Make()), Free, bytes: 16);
            }
        }

        source = Make();
        Workers.Run(Time, Read, Read, Write);
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(all.Count - 1, pool.Count);
        all.ForEach(node => NativeMemory.Free((void*)node));
    }

    [Fact]
    public void Cohorts_close_while_others_read_and_retire()
    {
        using var domain = new HazardDomain(scanThreshold: 4, executor: HazardExecutor.Caller);
        var sources = new Item?[2];
        sources[0] = new Item(1);
        sources[1] = new Item(2);

        void Write(Workers workers, int index)
        {
            while (workers.Continue)
            {
                HazardCohort cohort = domain.CreateCohort();
                int reclaimed = 0;
                for (int round = 0; round < 10; round++)
                {
                    Item old = Interlocked.Exchange(ref sources[index], new Item(round))!;
                    domain.Retire(
                        old,
                        item =>
                        {
                            item.Reclaim();
                            Interlocked.Increment(ref reclaimed);
                        },
                        cohort: cohort
                    );
                }

                cohort.Dispose();
                Assert.Equal(10, reclaimed);
            }
        }

        void Read(Workers workers)
        {
            using HazardPointerArray hazards = domain.Acquire(2);
            while (workers.Continue)
            {
                Item first = hazards[0].Protect(ref sources[0])!;
                Item second = hazards[1].Protect(ref sources[1])!;
                Assert.True(first.IsWhole);
                Assert.True(second.IsWhole);
                hazards[0].Clear();
                hazards[1].Clear();
            }
        }

        Workers.Run(Time, Read, workers => Write(workers, 0), workers => Write(workers, 1));
    }

    private static void InterlockedMax(ref long most, long value)
    {
        long seen = Volatile.Read(ref most);
        while (value > seen)
        {
            long found = Interlocked.CompareExchange(ref most, value, seen);
            if (found == seen)
            {
                return;
            }

            seen = found;
        }
    }

    private sealed class Item(long number)
    {
        private long _number = number;
        private int _reclaimed;

        public long Number => Volatile.Read(ref _number);

        public bool IsWhole => Volatile.Read(ref _reclaimed) == 0;

        public void Reclaim()
        {
            Assert.Equal(0, Interlocked.Exchange(ref _reclaimed, 1));
            Volatile.Write(ref _number, Poison);
        }
    }
}
