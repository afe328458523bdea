using System.Runtime.CompilerServices;
using Crosscore.HazardPointers;
using Crosscore.Locks;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// What a reader writes, or reads while others write, has two cache lines for itself; fails when the runtime lays a
/// class out in another way than it was asked to.
/// </summary>
public sealed class CacheLineTests
{
    [Fact]
    public void A_hazard_slot_has_its_lines_for_itself()
    {
        var slot = new HazardSlot();
        Assert.InRange(Apart(slot, ref slot.Value!, ref slot.Ticket), 0, 16);
        AssertSize(() => new HazardSlot());
    }

    [Fact]
    public void A_bias_has_its_lines_for_itself() => AssertSize(() => new Bias(Thread.CurrentThread));

    [Fact]
    public void A_reader_writer_lock_keeps_what_readers_look_at_apart() =>
        AssertSize(() => new AsymmetricReaderWriterLock());

    [Fact]
    public void A_list_of_sections_that_cross_an_await_has_its_lines_for_itself() =>
        AssertSize(() => new AsyncSections.Stripe());

    private static long Apart(HazardSlot slot, ref object first, ref uint last)
    {
        GC.KeepAlive(slot);
        return Unsafe.ByteOffset(ref Unsafe.As<object, byte>(ref first), ref Unsafe.As<uint, byte>(ref last));
    }

    // The hot fields begin 120 bytes behind the start; 120 and 8 of the header lie before them.
    private static void AssertSize(Func<object> make)
    {
        _ = make();
        long before = GC.GetAllocatedBytesForCurrentThread();
        object made = make();
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before >= 256 + 16);
        GC.KeepAlive(made);
    }
}
