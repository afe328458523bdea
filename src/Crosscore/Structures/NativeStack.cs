using Crosscore.HazardPointers;

namespace Crosscore.Structures;

/// <summary>
/// A lock-free stack whose nodes lie in native memory, so that the collector neither moves nor visits them. Hazard
/// pointers keep a node from being freed while a thread that is popping may look at it, and so prevent the ABA problem.
/// </summary>
/// <remarks>
/// <para>Linearizable. What was done before <see cref="Push"/> is visible after the <see cref="TryPop"/> that returns
/// the value. There is no finalizer: what is never disposed of is never freed.</para>
/// <para>Treiber, Systems Programming: Coping with Parallelism (1986). Models: litmus/reclamation/Stack*.litmus.</para>
/// </remarks>
/// <typeparam name="T">Copied into and out of nodes; nothing is done with it when the stack is disposed of.</typeparam>
public sealed unsafe class NativeStack<T> : IDisposable
    where T : unmanaged
{
    private readonly HazardDomain _domain;
    private readonly HazardCohort _cohort;
    private readonly Action<nint> _free;
    private PaddedPointer _top;
    private volatile bool _disposed;

    /// <summary>Creates an empty stack.</summary>
    /// <param name="domain">Whose hazard pointers it uses; otherwise <see cref="HazardDomain.Default"/>'s.</param>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public NativeStack(HazardDomain? domain = null)
        : this(domain ?? HazardDomain.Default, NativeNode.Free) { }

    internal NativeStack(HazardDomain domain, Action<nint> free)
    {
        _domain = domain;
        _cohort = domain.CreateCohortOfNodes();
        _free = free;
    }

    /// <summary>Whether there was no value at one moment during the call.</summary>
    /// <exception cref="ObjectDisposedException">The stack or its domain was disposed of.</exception>
    public bool IsEmpty
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref _top.Value) == 0;
        }
    }

    /// <summary>Puts a value on top.</summary>
    /// <exception cref="ObjectDisposedException">The stack or its domain was disposed of. Nothing was
    /// changed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for a node. Nothing was changed.</exception>
    public void Push(T value)
    {
        ThrowIfDisposed();
        nint node = NativeNode<T>.Allocate(value);
        nint top = Volatile.Read(ref _top.Value);
        while (true)
        {
            // SAFETY: the node is ours until the exchange succeeds.
            ((NativeNode<T>*)node)->Next = top;
            nint found = Interlocked.CompareExchange(ref _top.Value, node, top);
            if (found == top)
            {
                return;
            }

            top = found;
        }
    }

    /// <summary>Takes the value on top.</summary>
    /// <returns>False if there was none.</returns>
    /// <exception cref="ObjectDisposedException">The stack or its domain was disposed of. Nothing was
    /// changed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory to retire the node with. Nothing was
    /// changed.</exception>
    public bool TryPop(out T value)
    {
        ThrowIfDisposed();
        using HazardPointer hazard = _domain.Acquire();
        GarbagePointer? retired = null;
        while (true)
        {
            nint top = hazard.Protect(ref _top.Value);
            if (top == 0)
            {
                value = default;
                return false;
            }

            // Before the node is taken: afterwards nothing may throw, or the value would be lost.
            retired ??= new GarbagePointer(_free, 0);

            // SAFETY: the node was on top after it had been announced, so it is not freed before the announcement ends,
            // nor on top again: litmus/reclamation/Stack.litmus.
            var node = (NativeNode<T>*)top;
            nint next = node->Next;
            if (Interlocked.CompareExchange(ref _top.Value, next, top) == top)
            {
                // SAFETY: as above. The value is written only before the node is pushed.
                value = node->Value;
                hazard.Clear();
                retired.Pointer = top;
                _cohort.RetireAlways(retired);
                return true;
            }
        }
    }

    /// <summary>
    /// Frees all nodes, those included that other threads popped. No other thread may be using the stack. Disposing
    /// twice does nothing more.
    /// </summary>
    /// <exception cref="AggregateException">The barrier failed that says whether popped nodes are still looked at.
    /// Those wait; Dispose may be called again.</exception>
    public void Dispose()
    {
        _disposed = true;
        NativeNode<T>.FreeAll(Interlocked.Exchange(ref _top.Value, 0), _free); // alone, says the caller
        _cohort.Dispose();
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _domain.ThrowIfDisposed();
    }
}
