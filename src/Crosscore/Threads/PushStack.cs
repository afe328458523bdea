namespace Crosscore.Threads;

/// <summary>An object that a <see cref="PushStack{TNode}"/> links.</summary>
internal abstract class Linked<TNode>
    where TNode : Linked<TNode>
{
    /// <summary>The node below; after it was taken out, the field belongs to the thread that took it.</summary>
    public TNode? Next { get; set; }
}

/// <summary>
/// A stack of objects: any thread pushes without a lock, and a thread that takes anything takes everything. Since no
/// thread takes a single node, a node cannot come back between the read of the top and its exchange (no ABA problem).
/// Treiber, Systems Programming: Coping with Parallelism (1986).
/// </summary>
internal struct PushStack<TNode>
    where TNode : Linked<TNode>
{
    private TNode? _top;

    /// <summary>The node that was pushed last, or null.</summary>
    public readonly TNode? Top => Volatile.Read(in _top);

    /// <summary>
    /// Pushes a chain of nodes that are linked already. The exchange is a full fence: the thread that takes the nodes
    /// sees what the caller did before.
    /// </summary>
    /// <param name="first">The node that becomes the top.</param>
    /// <param name="last">The node at the end of the chain; the first one if there is only one.</param>
    /// <returns>The node that was on top before, or null.</returns>
    public TNode? Push(TNode first, TNode last)
    {
        TNode? top = Volatile.Read(ref _top);
        while (true)
        {
            last.Next = top;
            TNode? found = Interlocked.CompareExchange(ref _top, first, top);
            if (found == top)
            {
                return top;
            }

            top = found;
        }
    }

    /// <summary>Takes everything out.</summary>
    /// <returns>The node that was pushed last, which leads to all others; or null.</returns>
    public TNode? TakeAll() => Interlocked.Exchange(ref _top, null);
}
