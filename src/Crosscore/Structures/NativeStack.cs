using Crosscore.HazardPointers;

namespace Crosscore.Structures;

/// <summary>
/// A lock-free stack whose nodes lie in native memory, so that the collector neither moves nor visits them. Hazard
/// pointers prevent that a node is freed while a thread that pops may read it, and so the ABA problem.
/// </summary>
/// <remarks>
/// <para>Linearizable. What was done before <see cref="Push"/> is visible after the <see cref="TryPop"/> that returns
/// the value. There is no finalizer: a stack that is never disposed of is never freed.</para>
/// <para>Treiber, Systems Programming: Coping with Parallelism (1986). Models: litmus/reclamation/Stack*.litmus.</para>
/// </remarks>
/// <example>
/// <code>
/// using var stack = new NativeStack&lt;long&gt;();
/// stack.Push(1);
/// if (stack.TryPop(out long newest))
/// {
///     Console.WriteLine(newest);
/// }
/// </code>
/// </example>
/// <typeparam name="T">The type of the values, which are copied into and out of nodes and dropped with the
/// stack.</typeparam>
public sealed unsafe class NativeStack<T> : IDisposable
    where T : unmanaged
{
    private readonly HazardDomain _domain;
    private readonly HazardCohort _cohort;
    private readonly Action<nint> _free;
    private PaddedPointer _top;
    private volatile bool _isDisposed;

    /// <summary>Creates an empty stack.</summary>
    /// <param name="domain">The domain whose hazard pointers the stack uses; null for
    /// <see cref="HazardDomain.Default"/>.</param>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public NativeStack(HazardDomain? domain = null)
        : this(domain ?? HazardDomain.Default, NativeNode.Free) { }

    internal NativeStack(HazardDomain domain, Action<nint> free)
    {
        _domain = domain;
        _cohort = domain.CreateCohortOfNodes();
        _free = free;
    }

    /// <summary>Whether there was no value at some time during the call.</summary>
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

        // As PushStack, whose nodes are objects; these lie in native memory.
        nint top = Volatile.Read(ref _top.Value);
        while (true)
        {
            // SAFETY: no other thread knows the node until the exchange succeeds.
            ((NativeNode<T>*)node)->Next = top;
            nint found = Interlocked.CompareExchange(ref _top.Value, node, top);
            if (found == top)
            {
                return;
            }

            top = found;
        }
    }

    /// <summary>Removes the value on top.</summary>
    /// <returns>Whether there was a value.</returns>
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

            // Allocated before the node is removed: an exception afterwards would lose the value.
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
    /// Frees all nodes, including those that other threads popped. No other thread may be using the stack. A second
    /// Dispose does nothing more.
    /// </summary>
    /// <exception cref="AggregateException">The barrier failed, so it is unknown whether other threads still read
    /// popped nodes. Those nodes wait; Dispose may be called again.</exception>
    public void Dispose()
    {
        _isDisposed = true;
        NativeNode<T>.FreeAll(Interlocked.Exchange(ref _top.Value, 0), _free); // the caller says that it is alone
        _cohort.Dispose();
    }

    private void ThrowIfDisposed()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _domain.ThrowIfDisposed();
    }
}
