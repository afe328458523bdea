using System.Runtime.InteropServices;

namespace Crosscore.Code;

/// <summary>
/// The words that the breakpoint handler reads, in memory that is never freed. One writer at a time: the holder of the
/// lock of patches.
/// </summary>
internal static unsafe class BreakpointControl
{
    // Offsets in the block; each is one byte in the handler's instructions.
    public const byte TableOffset = 0;
    public const byte Inflight = 8;
    public const byte MetOffset = 16;
    public const byte LateOffset = 24;
    public const byte VersionOffset = 32;
    private const int Size = 64;

    private static readonly long* Block = Allocate();

    public static nint Address => (nint)Block;

    /// <summary>Threads sent on from a breakpoint.</summary>
    // SAFETY: here and below: the block was allocated above and is never freed; every word is aligned.
    public static long Met => Volatile.Read(ref Block[MetOffset / 8]);

    /// <summary>Gets the number of threads that met a breakpoint and came to the handler after it was gone.</summary>
    public static long Late => Volatile.Read(ref Block[LateOffset / 8]);

    /// <summary>
    /// Makes a table the one that the handler reads; null for none. The table first, the version second, and only then
    /// may an INT3 of it be stored: pairs with the handler, which loads the version first and the table second
    /// (<see cref="HandlerCode"/>). In the other order a thread could read the new version, still no table, and then an
    /// INT3 (litmus/code/Handler.LateTrap.VersionFirst.litmus).
    /// </summary>
    public static void Publish(BreakpointTable? table)
    {
        Volatile.Write(ref Block[TableOffset / 8], table?.Address ?? 0);
        Volatile.Write(ref Block[VersionOffset / 8], Block[VersionOffset / 8] + 1);
    }

    /// <summary>
    /// Whether no thread is inside the handler, so that a table that was retired before can be given other contents.
    /// The fence pairs with the locked increment that the handler begins with: if the handler is first we see it
    /// counted, if we are first it does not see the table any more (litmus/code/Handler.TableReuse.litmus).
    /// </summary>
    public static bool IsQuiet
    {
        get
        {
            Interlocked.MemoryBarrier();
            return Volatile.Read(ref Block[Inflight / 8]) == 0;
        }
    }

    private static long* Allocate()
    {
        // SAFETY: aligned to its own size; cleared before any thread sees it.
        void* block = NativeMemory.AlignedAlloc(Size, Size);
        NativeMemory.Clear(block, Size);
        CodeEvents.BreakpointsMet.CountAlso(() => Met);
        return (long*)block;
    }
}
