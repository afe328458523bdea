using System.Runtime.InteropServices;

namespace Crosscore.Structures;

/// <summary>A node of a structure in native memory.</summary>
internal unsafe struct NativeNode<T>
    where T : unmanaged
{
    public nint Next;
    public T Value;

    public static nint Allocate(T value)
    {
        // SAFETY: the memory has the size of a node and malloc's alignment, which suffices for every unmanaged type; no
        // other thread knows it yet.
        var node = (NativeNode<T>*)NativeMemory.Alloc((nuint)sizeof(NativeNode<T>));
        node->Next = 0;
        node->Value = value;
        return (nint)node;
    }

    /// <summary>
    /// Calls <paramref name="free"/> with a node and all nodes behind it. No other thread may be using them.
    /// </summary>
    public static void FreeAll(nint first, Action<nint> free)
    {
        for (nint node = first; node != 0; )
        {
            // SAFETY: no other thread uses the nodes, says the caller, and this one is not freed yet.
            nint next = ((NativeNode<T>*)node)->Next;
            free(node);
            node = next;
        }
    }
}

/// <summary>Frees nodes that <see cref="NativeNode{T}"/> allocated.</summary>
internal static unsafe class NativeNode
{
    // SAFETY: callers give nodes that no thread can reach or protects any more, each once.
    public static Action<nint> Free { get; } = static node => NativeMemory.Free((void*)node);
}
