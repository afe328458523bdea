using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// An open read section of an <see cref="RcuDomain"/>: what was reachable when the section was entered is not reclaimed
/// before it is left. A <c>ref struct</c>, so that the compiler keeps it on the thread that entered it; for sections
/// that cross an await there is <see cref="RcuAsyncReadSection"/>. Entering and leaving cost no fence, no interlocked
/// operation and no write to memory that another thread writes.
/// </summary>
/// <remarks>
/// <para>Sections nest, up to 65,535 deep, and are left in the reverse order of entering, as <c>using</c> does. The
/// second Dispose of a section does nothing, nor does that of <c>default</c>. Leaving a section out of order, or
/// through a copy of a section that was left, throws and changes nothing. A copy that is left after the thread has
/// entered another section at the same depth cannot be distinguished from that section, so do not copy sections.</para>
/// <para>A thread that ends inside of a section delays nothing; <see cref="RcuStatistics.AbandonedSections"/> counts
/// it.</para>
/// </remarks>
[SuppressMessage(
    "Performance",
    "CA1815",
    Justification = "A ref struct cannot be compared through its interfaces, and a section equals nothing."
)]
public ref struct RcuReadSection
{
    private ReaderPlace? _place;

    private RcuReadSection(ReaderPlace place) => _place = place;

    /// <summary>Enters for the calling thread.</summary>
    /// <param name="outside">The domain's <see cref="RcuDomain.Outside"/>.</param>
    /// <param name="slot">A slot of this thread, maybe in another domain; or null.</param>
    /// <param name="domain">The domain to enter.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static RcuReadSection Enter(long outside, ReaderSlot? slot, RcuDomain domain)
    {
        // A short path and one call on the long path, with nothing but the place live behind them. Written this way,
        // the compiler looks up the thread's statics once before a loop of sections and not in each (that call of the
        // runtime is more than half of the cost of a section), and keeps nothing in memory across a call that is rarely
        // made. Figures: bench/README.md.
        ReaderPlace place;
        if (slot is not null && slot.Word.Value == outside) // no other thread writes it
        {
            place = slot;
            long entry = Volatile.Read(ref domain.Entry);
            Volatile.Write(ref slot.Word.Value, entry);
        }
        else
        {
            // Never null. The test tells the compiler so, which saves one on leaving.
            place = ReaderTable.Enter(domain) ?? throw new UnreachableException();
        }

        // Pairs with Heavy in GracePeriods.Begin: either the grace period sees the word, or this thread reads after
        // this point what was written before the grace period. Without it the compiler may read first:
        // AsymmetricFenceCodeTests. The heavy fence orders the processor: litmus/reclamation/Rcu.NoHeavyFence.
        AsymmetricFence.Light();
        return new RcuReadSection(place);
    }

    /// <summary>Leaves the section.</summary>
    /// <exception cref="InvalidOperationException">A section that was entered later has not been left yet, or this is a
    /// copy of a section that has been left. The sections of the thread stay as they are.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Dispose()
    {
        ReaderPlace? place = _place;
        if (place is null)
        {
            return;
        }

        if (ReaderWord.IsOneDeep(place.Word.Value))
        {
            // A release store: what was read and written inside comes before it. Pairs with the acquire in
            // GracePeriods.IsOver, which therefore needs no second heavy fence on weakly ordered processors (a plain
            // store made .NET's own test of such a lock fail on arm64: dotnet/runtime#11177). Fails without:
            // litmus/reclamation/Rcu.Exit.PlainStore.
            Volatile.Write(ref place.Word.Value, place.Outside);
        }
        else
        {
            ReaderPlace.LeaveNested(place);
        }

        _place = null;
    }

    /// <summary>
    /// Throws unless this is a section of a domain that has not been left, through this variable or a copy.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal readonly void ThrowIfNotOpenIn(RcuDomain domain)
    {
        if (_place is not ReaderSlot slot || slot.Outside != domain.Identity || !ReaderWord.IsInside(slot.Word.Value))
        {
            ThrowIfNotOpenIn(_place, domain);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ThrowIfNotOpenIn(ReaderPlace? place, RcuDomain domain)
    {
        var inner = place as NestedPlace;
        ReaderSlot? slot = inner?.Slot ?? place as ReaderSlot;
        if (slot is null || slot.Depth < (inner?.Depth ?? 1))
        {
            ThrowLeft();
        }

        if (slot.Outside != domain.Identity)
        {
            ThrowForeign();
        }
    }

    [DoesNotReturn]
    private static void ThrowLeft() =>
        throw new InvalidOperationException(
            "The read section is default or has been left, so it protects nothing. "
                + "Enter one with RcuDomain.EnterReadSection()."
        );

    [DoesNotReturn]
    private static void ThrowForeign() =>
        throw new InvalidOperationException(
            "The read section belongs to another domain, so it protects nothing here. "
                + "Enter a section of the domain that was given to the cell or map."
        );
}
