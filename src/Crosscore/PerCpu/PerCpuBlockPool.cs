using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Native memory in blocks of one size, rented and returned by any thread: a list of free blocks for each CPU, with
/// memory behind it. A thread that finds the list of its CPU empty takes all of another CPU's, or the pool grows.
/// </summary>
/// <remarks>
/// <para>A block that is returned twice is refused: a returned block carries a mark in its second 8 bytes until it is
/// rented again. That finds a second return that follows the first, not one that races with it or with another renter;
/// and it refuses a block whose user has stored the mark there by chance, one in 2^64. A block that is not this pool's,
/// but aligned like one, is not noticed.</para>
/// <para>Memory grows to what was needed at most at one time, plus what other CPUs hold when it is not worth stopping
/// them. Only <see cref="Dispose"/> frees it; there is no finalizer, because only the caller knows which threads use
/// the blocks.</para>
/// </remarks>
/// <example>
/// <code>
/// using var pool = new PerCpuBlockPool(blockSize: 256);
/// nint block = pool.Rent(); // by any thread
/// pool.Return(block); // by any thread
/// </code>
/// </example>
public sealed unsafe class PerCpuBlockPool : IDisposable
{
    /// <summary>
    /// A theft that brings less does not pay for the barrier (about a microsecond, a hundred times the price of a
    /// rental), so the pool grows the next time.
    /// </summary>
    private const int WorthStealing = 32;

    private const int MinSlab = 1 << 16;

    /// <summary>The maximum of one allocation, unless a single block is larger.</summary>
    private const int MaxSlab = 1 << 30;

    private readonly PerCpuFreeList _list;
    private readonly Lock _growing = new();
    private readonly List<nint> _slabs = [];
    private readonly int _alignment;
    private long _mark; // 0 when disposed of
    private long _blocks;
    private bool _steal = true;

    /// <summary>Makes a pool that holds nothing yet.</summary>
    /// <param name="blockSize">The size of a block in bytes: at least 16 and a multiple of the alignment.</param>
    /// <param name="alignment">Of every block; a power of two, at least 16.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is not so.</exception>
    public PerCpuBlockPool(int blockSize, int alignment = 16)
        : this(blockSize, alignment, new PerCpuFreeList()) { }

    internal PerCpuBlockPool(int blockSize, int alignment, PerCpuFreeList list)
    {
        if (alignment < 16 || !int.IsPow2(alignment))
        {
            throw new ArgumentOutOfRangeException(
                nameof(alignment),
                alignment,
                "An alignment is a power of two, and at least 16 here: two words of a free block are the pool's."
            );
        }

        if (blockSize < alignment || blockSize % alignment != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(blockSize),
                blockSize,
                $"The size of a block is a multiple of its alignment, {alignment}."
            );
        }

        BlockSize = blockSize;
        _alignment = alignment;
        _list = list;
        _mark = Random.Shared.NextInt64(1, long.MaxValue);
    }

    /// <summary>Gets the size of a block in bytes.</summary>
    public int BlockSize { get; }

    /// <summary>Gets the number of blocks that the pool has allocated, rented ones included.</summary>
    public long BlockCount => Volatile.Read(ref _blocks);

    /// <summary>
    /// Gets whether threads work by sections here; otherwise lists are locked, and chosen by processor.
    /// </summary>
    public bool UsesSections => _list.UsesSections;

    /// <summary>Rents a block. Its content is whatever was there.</summary>
    /// <exception cref="ObjectDisposedException">The pool was disposed of.</exception>
    /// <exception cref="OutOfMemoryException">No block is free, and there is no memory for more.</exception>
    /// <exception cref="MembarrierException">No block is free on this CPU, and the barrier that takes those of another
    /// CPU failed; the pool is as it was.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint Rent()
    {
        if (!_list.TryPop(out nint block))
        {
            block = RentSlowly();
        }

        // SAFETY: the block is the caller's from here on and has at least two words.
        ((long*)block)[1] = 0;
        return block;
    }

    /// <summary>Takes a block back. Caller must: have it from this pool, and not touch it any more.</summary>
    /// <param name="block">Its address.</param>
    /// <exception cref="ArgumentException">Null, or not aligned like a block.</exception>
    /// <exception cref="InvalidOperationException">It was returned already.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Return(nint block)
    {
        long mark = _mark;
        if (mark == 0 || block == 0 || (block & (_alignment - 1)) != 0)
        {
            ThrowNoReturn(block);
        }

        // SAFETY: the block is the pool's from here on, by the caller's word, and has at least two words.
        ref long marked = ref ((long*)block)[1];
        if (marked == (mark ^ block))
        {
            ThrowReturnedTwice(block);
        }

        // Before the push, after which the block may be another renter's. The push cannot fail: the address was checked
        // above, nothing breaks its wait off, and only a disposal, which the caller rules out, stops the list.
        marked = mark ^ block;
        _list.Push(block);
    }

    /// <summary>
    /// Frees the memory of all blocks. The caller must know that no thread uses, rents or returns a block. Afterwards
    /// every use throws. The second call does nothing.
    /// </summary>
    /// <exception cref="MembarrierException">The barrier failed that stops the sections. The pool is disposed of, but
    /// its memory stays allocated, because a section could still read it; call again to free it.</exception>
    public void Dispose()
    {
        using (new HeldLock(_growing))
        {
            if (_mark == 0 && _slabs.Count == 0)
            {
                return;
            }

            _mark = 0;
            // No section may be reading a block when its memory goes, nor find one afterwards.
            _list.Area.StopForGood();
            for (int list = 0; list < _list.ListCount; list++)
            {
                _list.Area.Slots.Word(list, 0) = 0;
            }

            foreach (nint slab in _slabs)
            {
                // SAFETY: allocated by Grow, and no thread uses it, by the caller's word.
                NativeMemory.AlignedFree((void*)slab);
            }

            _slabs.Clear();
            Volatile.Write(ref _blocks, 0);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private nint RentSlowly()
    {
        using (new HeldLock(_growing))
        {
            ObjectDisposedException.ThrowIf(_mark == 0, this);
            if (_list.TryPop(out nint block))
            {
                return block; // another thread grew the pool while this thread waited
            }

            if (_steal && _list.TrySteal(out block, out int taken))
            {
                _steal = taken >= WorthStealing;
                return block;
            }

            _steal = true;
            return Grow();
        }
    }

    /// <summary>Adds a quarter to what there is, so that a pool of any size grows a bounded number of times.</summary>
    private nint Grow()
    {
        long count = Math.Max(Math.Min(Math.Max(MinSlab / BlockSize, _blocks / 4), MaxSlab / BlockSize), 1);
        // before the slab, which would be lost if there were no memory for its place
        _ = _slabs.EnsureCapacity(_slabs.Count + 1);
        nint slab = (nint)NativeMemory.AlignedAlloc((nuint)(count * BlockSize), (nuint)_alignment);
        _slabs.Add(slab);
        Volatile.Write(ref _blocks, _blocks + count);
        nint last = slab;
        for (long block = 1; block < count; block++)
        {
            nint next = last + BlockSize;
            // SAFETY: inside the slab just allocated, which no other thread knows.
            *(nint*)last = next;
            ((long*)next)[1] = _mark ^ next;
            last = next;
        }

        if (last != slab)
        {
            _list.PushChain(slab + BlockSize, last);
        }

        return slab;
    }

    private void ThrowNoReturn(nint block)
    {
        ObjectDisposedException.ThrowIf(_mark == 0, this);
        throw new ArgumentException(
            $"0x{block:x} is no block of this pool: its blocks are aligned to {_alignment}.",
            nameof(block)
        );
    }

    private static void ThrowReturnedTwice(nint block) =>
        throw new InvalidOperationException(
            $"The block at 0x{block:x} was returned already. The caller that returned it twice may have used it after "
                + "another one rented it."
        );
}
