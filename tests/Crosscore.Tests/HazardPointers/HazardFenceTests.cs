using System.Runtime.InteropServices;
using Crosscore.HazardPointers;

namespace Crosscore.Tests.HazardPointers;

/// <summary>
/// The protocol of protection and scan on this processor, with the library's own announcement, at the moment when it
/// matters; and without the barrier, which must be noticed, or the other test proves nothing. The models are
/// litmus/reclamation/HazardPointer.litmus and HazardPointer.NoBarrier.litmus.
/// </summary>
public sealed class HazardFenceTests
{
    private static readonly bool TwoProcessors = Environment.ProcessorCount > 1;

    [Fact]
    public void With_the_barrier_no_reader_meets_what_the_scan_took_for_unprotected()
    {
        Assert.SkipUnless(TwoProcessors, "needs two processors");
        Assert.Equal(0, Violations(AsymmetricFence.Heavy, TimeSpan.FromSeconds(2), untilSeen: false));
    }

    [Fact]
    public void Without_the_barrier_a_reader_does()
    {
        Assert.SkipUnless(TwoProcessors, "needs two processors");
        Assert.True(Violations(() => { }, TimeSpan.FromSeconds(60), untilSeen: true) > 0);
    }

    /// <summary>One thread protects, the other replaces, scans and poisons.</summary>
    private static unsafe long Violations(Action heavy, TimeSpan time, bool untilSeen)
    {
        const int Nodes = 1 << 12;
        const int Lines = 16; // numbers in 128 bytes
        var memory = (long*)NativeMemory.AlignedAlloc(Nodes * Lines * sizeof(long), 128);
        NativeMemory.Clear(memory, Nodes * Lines * sizeof(long));
        var slot = new HazardSlot();
        nint source = (nint)memory;
        long violations = 0;
        Workers.Run(
            time,
            workers =>
            {
                while (workers.Continue)
                {
                    for (int round = 0; round < 1000; round++)
                    {
                        nint pointer = Volatile.Read(ref source);
                        while (!slot.TryAnnounce(ref pointer, ref source)) { }

                        // In use: the writer may replace it, but not overwrite it.
                        for (int look = 0; look < 20; look++)
                        {
                            if (Volatile.Read(ref *(long*)pointer) != 0)
                            {
                                violations++;
                                break;
                            }
                        }

                        slot.Clear();
                    }

                    if (untilSeen && violations > 0)
                    {
                        workers.Stop();
                    }
                }
            },
            workers =>
            {
                int next = 1;
                while (workers.Continue)
                {
                    for (int round = 0; round < 1000; round++)
                    {
                        nint old = source;
                        long* fresh = memory + (next * Lines);
                        next = (next + 1) % Nodes;
                        Volatile.Write(ref *fresh, 0);
                        Volatile.Write(ref source, (nint)fresh);
                        heavy();
                        if (Volatile.Read(ref slot.Pointer) != old)
                        {
                            Volatile.Write(ref *(long*)old, 1);
                        }
                    }
                }
            }
        );
        NativeMemory.AlignedFree(memory);
        return violations;
    }
}
