using System.Runtime.InteropServices;
using Crosscore.HazardPointers;

namespace Crosscore.Bench.Structures;

/// <summary>What protection costs a reader above the bare read, and what retirement costs a writer.</summary>
internal static unsafe class HazardBench
{
    private static readonly HazardDomain Domain = new();
    private static readonly nint Memory = (nint)NativeMemory.AllocZeroed(256);

    // Both threads read the same sources, and no thread writes.
    private static nint s_native = Memory + 128;
    private static Box? s_managed = new();
    private static long s_result;

    public static void Run()
    {
        ReaderTable.Print(
            "Hazard pointers, native: read a number through a shared pointer",
            ("bare read", BareNative),
            ("Protect, handle held", Native),
            ("Protect and Clear, handle held", NativeClear),
            ("Acquire, Protect, Dispose", NativeWhole),
            ("Protect with a full fence instead", NativeFenced)
        );
        ReaderTable.Print(
            "Hazard pointers, managed: read a number through a shared reference",
            ("bare read", BareManaged),
            ("Protect, handle held", Managed),
            ("Protect and Clear, handle held", ManagedClear),
            ("Acquire, Protect, Dispose", ManagedWhole)
        );
        PrintRetirement();
    }

    private static void PrintRetirement()
    {
        var table = new Table(
            "Retirement, with its share of scans and callbacks, no thread reading",
            "what",
            "ns each",
            "ratio"
        );
        double[] times = LoopTimer.Alone(AllocateOnly, RetireEach, RetireBatch);
        string[] names = ["allocate an object", "and Retire it", "and RetireAll, 100 at a time"];
        for (int row = 0; row < names.Length; row++)
        {
            table.Add(names[row], Table.Number(times[row]), Table.Ratio(times[row], times[0]));
        }

        table.Print();
    }

    private static void BareNative(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += *(long*)Volatile.Read(ref s_native);
        }

        Keep(sum);
    }

    private static void Native(int rounds)
    {
        using HazardPointer hazard = Domain.Acquire();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += *(long*)hazard.Protect(ref s_native);
        }

        Keep(sum);
    }

    private static void NativeClear(int rounds)
    {
        using HazardPointer hazard = Domain.Acquire();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += *(long*)hazard.Protect(ref s_native);
            hazard.Clear();
        }

        Keep(sum);
    }

    private static void NativeWhole(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            using HazardPointer hazard = Domain.Acquire();
            sum += *(long*)hazard.Protect(ref s_native);
        }

        Keep(sum);
    }

    private static void NativeFenced(int rounds)
    {
        var slot = new nint[48];
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            nint pointer = Volatile.Read(ref s_native);
            while (true)
            {
                Volatile.Write(ref slot[24], pointer);
                Interlocked.MemoryBarrier();
                nint found = Volatile.Read(ref s_native);
                if (found == pointer)
                {
                    break;
                }

                pointer = found;
            }

            sum += *(long*)pointer;
        }

        Keep(sum);
    }

    private static void BareManaged(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += Volatile.Read(ref s_managed)!.Number;
        }

        Keep(sum);
    }

    private static void Managed(int rounds)
    {
        using HazardPointer hazard = Domain.Acquire();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += hazard.Protect(ref s_managed)!.Number;
        }

        Keep(sum);
    }

    private static void ManagedClear(int rounds)
    {
        using HazardPointer hazard = Domain.Acquire();
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            sum += hazard.Protect(ref s_managed)!.Number;
            hazard.Clear();
        }

        Keep(sum);
    }

    private static void ManagedWhole(int rounds)
    {
        long sum = 0;
        for (int round = 0; round < rounds; round++)
        {
            using HazardPointer hazard = Domain.Acquire();
            sum += hazard.Protect(ref s_managed)!.Number;
        }

        Keep(sum);
    }

    private static void AllocateOnly(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            GC.KeepAlive(new Box());
        }
    }

    private static void RetireEach(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Domain.Retire(new Box(), static _ => { });
        }
    }

    private static void RetireBatch(int rounds)
    {
        var batch = new Box[100];
        for (int round = 0; round < rounds; round += batch.Length)
        {
            for (int index = 0; index < batch.Length; index++)
            {
                batch[index] = new Box();
            }

            Domain.RetireAll<Box>(batch, static _ => { });
        }
    }

    // So that no loop is dead; written once a call, which costs nothing a round.
    private static void Keep(long sum) => Volatile.Write(ref s_result, sum);

    private sealed class Box
    {
        public long Number = 1;
    }
}
