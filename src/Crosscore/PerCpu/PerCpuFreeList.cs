using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.PerCpu;

/// <summary>
/// Lists of free native blocks, one for each CPU: a thread pushes to and pops from the list of the CPU it runs on, last
/// in, first out, without lock and without interlocked instruction. The list lies in the blocks: the first 8 bytes of a
/// block are the list's from its push to its pop.
/// </summary>
/// <remarks>
/// <para>Caller must: give blocks of at least 8 bytes, aligned to 8, that stay readable and writable while they are in
/// the list, and each only once. A block that is pushed twice makes a circular list, which nothing here can detect
/// (<see cref="PerCpuBlockPool"/> does).</para>
/// <para>What was stored to a block before its push is seen by the thread that pops it.</para>
/// <para>There is no ABA problem: between the load of the head and the store of the new one no other thread touches
/// this list, or the thread starts over.</para>
/// <para>Memory belongs to the garbage collector; there is nothing to dispose of. Blocks that are in a list that is
/// collected are lost to their owner: take them out first.</para>
/// </remarks>
internal sealed unsafe class PerCpuFreeList
{
    private readonly PerCpuArea _area; // word 0 of a slot: the first block
    private readonly nint _base;
    private readonly delegate* unmanaged[SuppressGCTransition]<nint, nint, nint, long> _push;
    private readonly delegate* unmanaged[SuppressGCTransition]<nint, nint> _pop;
    private int _search; // where the next steal begins to look; races only move it

    /// <summary>
    /// Makes empty lists. If sections can run but memory for their code is refused now, these lists are striped. The
    /// first per-CPU data that can be stopped registers for the restarting barrier, which takes 10 to 25 milliseconds.
    /// </summary>
    public PerCpuFreeList()
        : this(new PerCpuArea(sizeof(long)), SectionVariant.Shipped) { }

    internal PerCpuFreeList(PerCpuArea area, SectionVariant variant)
    {
        if (area.UsesSections)
        {
            _push = (delegate* unmanaged[SuppressGCTransition]<nint, nint, nint, long>)
                InstalledSections.TryInstall(StandardSections.Push(area.Slots.Shape), variant);
            _pop = (delegate* unmanaged[SuppressGCTransition]<nint, nint>)
                InstalledSections.TryInstall(StandardSections.Pop(area.Slots.Shape), variant);
            if (_push == null || _pop == null)
            {
                // Memory for the code is refused now: all of it is striped, for a list to which some threads push by
                // sections and from which others pop under a lock would have two owners.
                _push = null;
                _pop = null;
                area = area.Striped();
            }
        }

        _area = area;
        _base = area.Slots.Base;
    }

    /// <summary>
    /// Gets whether threads work by sections here; otherwise lists are locked, and chosen by processor.
    /// </summary>
    public bool UsesSections => _area.UsesSections;

    /// <summary>
    /// How many lists there are: one for each CPU that may come online, and a last one for threads that have none or
    /// came while theirs was stopped.
    /// </summary>
    public int ListCount => _area.SlotCount;

    internal PerCpuArea Area => _area;

    /// <summary>Gives a block to the list of this CPU.</summary>
    /// <param name="block">Its address.</param>
    /// <exception cref="ArgumentException">Null, negative, or not aligned to 8.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Push(nint block) => PushChain(block, block);

    /// <summary>
    /// Gives a chain of blocks: each but the last holds the address of the next in its first 8 bytes.
    /// </summary>
    /// <param name="first">The first block, the next one to be popped.</param>
    /// <param name="last">The last, whose first 8 bytes are written.</param>
    /// <exception cref="ArgumentException">One is null, negative, or not aligned to 8.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void PushChain(nint first, nint last)
    {
        // The sign counts as misaligned: no address in user memory is negative, and a list that held one would take it
        // for a code.
        if (((first | last) & (nint.MinValue | 7)) != 0 || first == 0 || last == 0)
        {
            ThrowNoBlock(first, last);
        }

        // SAFETY: the code was made for slots of this shape, and stores to the block that the caller gives away; it
        // makes no call and is a few nanoseconds long.
        if (_push == null || _push(_base, first, last) != 0)
        {
            PushWithoutSection(first, last);
        }

        GC.KeepAlive(this);
    }

    /// <summary>Takes a block from the list of this CPU, or else from the one for threads without.</summary>
    /// <param name="block">Its address; 0 where there is none.</param>
    /// <returns>Whether there was one. Lists of other CPUs are not looked at; see <see cref="TrySteal"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryPop(out nint block)
    {
        // SAFETY: as in PushChain; the blocks that are read are in the list, and readable as long as they are, as their
        // callers promised.
        block = _pop != null ? _pop(_base) : SectionExit.NoSlot;
        GC.KeepAlive(this);
        // Blocks are aligned to 8 and no address in user memory is negative, so every other answer is a code.
        return block > StandardSections.Empty || PopWithoutSection(block, out block);
    }

    /// <summary>
    /// Stops another CPU, takes all of its list, gives one block to the caller and the rest to the list of this CPU.
    /// Costs one membarrier, and a walk over what was taken, for each list that looks as if it had blocks.
    /// </summary>
    /// <param name="block">A block; 0 where there is none.</param>
    /// <param name="taken">How many were taken, this one included.</param>
    /// <returns>Whether any list had one.</returns>
    /// <exception cref="MembarrierException">The barrier failed; all lists are as they were.</exception>
    public bool TrySteal(out nint block, out int taken)
    {
        int begin = _search++ & int.MaxValue;
        for (int look = 0; look < ListCount; look++)
        {
            int list = (int)(((uint)begin + (uint)look) % (uint)ListCount);
            if (_area.Read(list, 0) == 0 || !TryTakeAll(list, out nint first, out nint last, out taken))
            {
                continue;
            }

            block = first;
            // SAFETY: the chain is ours, and its blocks are readable as their callers promised.
            nint rest = *(nint*)first;
            if (first != last)
            {
                PushChain(rest, last);
            }

            return true;
        }

        block = 0;
        taken = 0;
        return false;
    }

    /// <summary>Stops the sections of a list, takes all of its blocks, and resumes it.</summary>
    /// <param name="list">0 to <see cref="ListCount"/> - 1.</param>
    /// <param name="first">The first block of the chain; 0 where there is none.</param>
    /// <param name="last">The last, whose first 8 bytes are 0.</param>
    /// <param name="count">How many there are.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such list.</exception>
    /// <exception cref="MembarrierException">The barrier failed; the list is as it was.</exception>
    public bool TryTakeAll(int list, out nint first, out nint last, out int count)
    {
        using (StoppedSlot stopped = _area.Stop(list))
        {
            // The list of threads without a section is guarded by its lock, which is held only for a moment and by no
            // thread that waits for this one.
            _area.Slots.Lock(list);
            first = (nint)stopped.Words[0];
            stopped.Words[0] = 0;
            _area.Slots.Unlock(list);
        }

        last = first;
        count = first == 0 ? 0 : 1;
        // SAFETY: the chain is ours now, and its blocks are readable as their callers promised.
        while (last != 0 && *(nint*)last is var next && next != 0)
        {
            last = next;
            count++;
        }

        return first != 0;
    }

    [DoesNotReturn]
    private static void ThrowNoBlock(nint first, nint last) =>
        throw new ArgumentException(
            $"0x{first:x} to 0x{last:x} is no chain of blocks: addresses are positive and aligned to 8, because the "
                + "first 8 bytes of a block lead to the next."
        );

    /// <summary>
    /// For threads without a slot, and for those that come while theirs is stopped: they need not wait, another list is
    /// as good. In the fallback all threads come here.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void PushWithoutSection(nint first, nint last)
    {
        ObjectDisposedException.ThrowIf(_area.IsStoppedForGood, this);
        int list = _area.EnterWithoutSection();
        try
        {
            // SAFETY: the last block is the caller's to give. If it cannot be written after all, that is an exception
            // of the caller's, and the lock does not stay behind.
            *(nint*)last = (nint)_area.Slots.Word(list, 0);
            Volatile.Write(ref _area.Slots.Word(list, 0), first);
        }
        finally
        {
            _area.Slots.Unlock(list);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool PopWithoutSection(nint code, out nint block)
    {
        // Nearly always empty where sections are used, and then a look suffices.
        if (code == StandardSections.Empty && _area.Read(_area.Slots.Shared, 0) == 0)
        {
            block = 0;
            return false;
        }

        int list = _area.EnterWithoutSection();
        try
        {
            ref long head = ref _area.Slots.Word(list, 0);
            block = (nint)head;
            if (block != 0)
            {
                // SAFETY: the block is in the list, so it is readable, and the lock keeps others out.
                Volatile.Write(ref head, *(nint*)block);
            }
        }
        finally
        {
            _area.Slots.Unlock(list);
        }

        GC.KeepAlive(this);
        return block != 0;
    }
}
