using Crosscore.HazardPointers;

namespace Crosscore.Structures;

/// <summary>
/// A lock-free first-in first-out queue whose nodes lie in native memory, so that the collector neither moves nor
/// visits them. Hazard pointers keep a node from being freed while another thread may look at it.
/// </summary>
/// <remarks>
/// <para>Linearizable. What was done before <see cref="Enqueue"/> is visible after the <see cref="TryDequeue"/> that
/// returns the value. There is no finalizer: what is never disposed of is never freed.</para>
/// <para>Michael and Scott, Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms (1996).
/// Models: litmus/reclamation/Queue*.litmus.</para>
/// </remarks>
/// <typeparam name="T">Copied into and out of nodes; nothing is done with it when the queue is disposed of.</typeparam>
public sealed unsafe class NativeQueue<T> : IDisposable
    where T : unmanaged
{
    private readonly HazardDomain _domain;
    private readonly HazardCohort _cohort;
    private readonly Action<nint> _free;

    // The node before the first value. Never passes the last node.
    private PaddedPointer _head;

    // The last node, or one before it while a thread is appending.
    private PaddedPointer _tail;
    private volatile bool _disposed;

    /// <summary>Creates an empty queue.</summary>
    /// <param name="domain">Whose hazard pointers it uses; otherwise <see cref="HazardDomain.Default"/>'s.</param>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public NativeQueue(HazardDomain? domain = null)
        : this(domain ?? HazardDomain.Default, NativeNode.Free) { }

    internal NativeQueue(HazardDomain domain, Action<nint> free)
    {
        _domain = domain;
        _cohort = domain.CreateCohortOfNodes();
        _free = free;
        _head.Value = _tail.Value = NativeNode<T>.Allocate(default);
    }

    /// <summary>Appends a value.</summary>
    /// <exception cref="ObjectDisposedException">The queue or its domain was disposed of. Nothing was
    /// changed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for a node. Nothing was changed.</exception>
    public void Enqueue(T value)
    {
        ThrowIfDisposed();
        using HazardPointer hazard = _domain.Acquire();
        nint node = NativeNode<T>.Allocate(value);
        while (true)
        {
            nint tail = hazard.Protect(ref _tail.Value);

            // SAFETY: it was the tail after it had been announced, and the head never passes the tail, so it was not
            // retired by then.
            ref nint next = ref ((NativeNode<T>*)tail)->Next;
            nint behind = Interlocked.CompareExchange(ref next, node, 0);
            if (behind == 0)
            {
                // A thread that finds it undone does it for this one.
                Interlocked.CompareExchange(ref _tail.Value, node, tail);
                return;
            }

            Interlocked.CompareExchange(ref _tail.Value, behind, tail);
        }
    }

    /// <summary>Takes the oldest value.</summary>
    /// <returns>False if there was none.</returns>
    /// <exception cref="ObjectDisposedException">The queue or its domain was disposed of. Nothing was
    /// changed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory to retire the node with. Nothing was
    /// changed.</exception>
    public bool TryDequeue(out T value)
    {
        ThrowIfDisposed();
        using HazardPointerArray hazards = _domain.Acquire(2);
        GarbagePointer? retired = null;
        while (true)
        {
            nint head = hazards[0].Protect(ref _head.Value);

            // The tail as it is while this head is the head, or later: an older one may be a node before it, and the
            // head would pass a tail that lags behind. Volatile reads alone are not kept in order by the JIT
            // (dotnet/runtime#133524), so there is a barrier, which is no instruction on x86-64. Fails without the
            // order: litmus/reclamation/Queue.Tail.ReadEarly.litmus.
            Volatile.ReadBarrier();
            nint tail = Volatile.Read(ref _tail.Value);

            // SAFETY: it was the head after it had been announced, so it is not freed before the announcement ends.
            nint next = hazards[1].Protect(ref ((NativeNode<T>*)head)->Next);

            // That the head still leads to the next node says nothing: a node that was taken out leads to it for ever.
            // Only while the head is the head is the next node not retired, and from then on the announcement, which
            // came before this look, protects it. Fails without: litmus/reclamation/Queue.NoThirdLook.litmus.
            if (Volatile.Read(ref _head.Value) != head)
            {
                continue;
            }

            if (next == 0)
            {
                value = default;
                return false;
            }

            if (head == tail)
            {
                // The tail lags behind; the head must not pass it.
                Interlocked.CompareExchange(ref _tail.Value, next, tail);
                continue;
            }

            // Before the value is taken: afterwards nothing may throw, or it would be lost.
            retired ??= new GarbagePointer(_free, 0);
            if (Interlocked.CompareExchange(ref _head.Value, next, head) == head)
            {
                // SAFETY: still announced by the second pointer. The value is written only before the node is appended.
                value = ((NativeNode<T>*)next)->Value;
                hazards[0].Clear();
                retired.Pointer = head;
                _cohort.RetireAlways(retired);
                return true;
            }
        }
    }

    /// <summary>
    /// Frees all nodes, those included that other threads took out. No other thread may be using the queue. Disposing
    /// twice does nothing more.
    /// </summary>
    /// <exception cref="AggregateException">The barrier failed that says whether nodes that were taken out are still
    /// looked at. Those wait; Dispose may be called again.</exception>
    public void Dispose()
    {
        _disposed = true;
        NativeNode<T>.FreeAll(Interlocked.Exchange(ref _head.Value, 0), _free); // alone, says the caller
        _cohort.Dispose();
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _domain.ThrowIfDisposed();
    }
}
