using Crosscore.HazardPointers;

namespace Crosscore.Structures;

/// <summary>
/// A lock-free first-in first-out queue whose nodes lie in native memory, so that the collector neither moves nor
/// visits them. Hazard pointers prevent that a node is freed while another thread may read it.
/// </summary>
/// <remarks>
/// <para>Linearizable. What was done before <see cref="Enqueue"/> is visible after the <see cref="TryDequeue"/> that
/// returns the value. There is no finalizer: a queue that is never disposed of is never freed.</para>
/// <para>Michael and Scott, Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms (1996).
/// Models: litmus/reclamation/Queue*.litmus.</para>
/// </remarks>
/// <example>
/// <code>
/// using var queue = new NativeQueue&lt;long&gt;();
/// queue.Enqueue(1);
/// if (queue.TryDequeue(out long oldest))
/// {
///     Console.WriteLine(oldest);
/// }
/// </code>
/// </example>
/// <typeparam name="T">The type of the values, which are copied into and out of nodes and dropped with the
/// queue.</typeparam>
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
    private volatile bool _isDisposed;

    /// <summary>Creates an empty queue.</summary>
    /// <param name="domain">The domain whose hazard pointers the queue uses; null for
    /// <see cref="HazardDomain.Default"/>.</param>
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
                // If this thread does not get to it, the next one does it.
                Interlocked.CompareExchange(ref _tail.Value, node, tail);
                return;
            }

            Interlocked.CompareExchange(ref _tail.Value, behind, tail);
        }
    }

    /// <summary>Removes the oldest value.</summary>
    /// <returns>Whether there was a value.</returns>
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

            // That the head still links to the next node proves nothing: a node that was removed keeps its link. The
            // next node is not retired while the head is the head, and from then on the announcement, which came before
            // this look, protects it. Fails without: litmus/reclamation/Queue.NoThirdLook.litmus.
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

            // Allocated before the value is removed: an exception afterwards would lose it.
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
    /// Frees all nodes, including those that other threads removed. No other thread may be using the queue. A second
    /// Dispose does nothing more.
    /// </summary>
    /// <exception cref="AggregateException">The barrier failed, so it is unknown whether other threads still read
    /// removed nodes. Those nodes wait; Dispose may be called again.</exception>
    public void Dispose()
    {
        _isDisposed = true;
        NativeNode<T>.FreeAll(Interlocked.Exchange(ref _head.Value, 0), _free); // the caller says that it is alone
        _cohort.Dispose();
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _domain.ThrowIfDisposed();
    }
}
