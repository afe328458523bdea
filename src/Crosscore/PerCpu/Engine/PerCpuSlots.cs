using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Crosscore.PerCpu;

/// <summary>
/// Memory with a slot for each possible CPU and one more, <see cref="Shared"/>, for threads that rseq(2) does not know. It is a pinned array of the collector: whoever
/// holds
/// this object may use the addresses, so nothing has to be disposed of and nothing can be used too late. Callers keep it alive past their last access
/// (<see cref="GC.KeepAlive"/>).
/// </summary>
internal sealed unsafe class PerCpuSlots
{
    /// <summary>Two cache lines: processors fetch the neighbouring line too, so 64 bytes would still let two CPUs take a line from each other.</summary>
    public const int Alignment = 128;

    private readonly byte[] _memory;
    private readonly int[] _locks;

    /// <param name="bytes">The user's bytes in a slot.</param>
    /// <param name="canStop">Whether there is a word before them that stops the slot.</param>
    /// <param name="index">What selects the slot.</param>
    /// <param name="cpuSlots">How many CPUs are possible.</param>
    public PerCpuSlots(int bytes, bool canStop, PerCpuIndex index, int cpuSlots)
    {
        int header = canStop ? sizeof(long) : 0;
        long stride = ((long)bytes + header + Alignment - 1) / Alignment * Alignment;
        long all = (stride * (cpuSlots + 1)) + Alignment;
        if (all > Array.MaxLength)
        {
            throw new ArgumentOutOfRangeException(
                nameof(bytes), bytes, $"{cpuSlots + 1} slots of {bytes:N0} bytes need {all:N0} bytes, more than the {Array.MaxLength:N0} of one array.");
        }

        Shape = new SlotShape((int)stride, header, bytes, cpuSlots, index);
        _memory = GC.AllocateArray<byte>((int)all, pinned: true);
        _locks = new int[(cpuSlots + 1) * LockDistance];
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        Base = (address + Alignment - 1) & ~(nint)(Alignment - 1);
    }

    private const int LockDistance = Alignment / sizeof(int);

    public SlotShape Shape { get; }

    /// <summary>The address of slot 0.</summary>
    public nint Base { get; }

    /// <summary>How many slots there are, the shared one included.</summary>
    public int Count => Shape.CpuSlots + 1;

    /// <summary>The slot of threads without a CPU of their own.</summary>
    public int Shared => Shape.CpuSlots;

    public nint Slot(int index) => Base + ((nint)index * Shape.Stride);

    /// <summary>A word of the user's part, for reading it from outside while its CPU goes on.</summary>
    public ref long Word(int index, int offset) =>
        // SAFETY: callers pass indexes below Count and offsets that lie in the slot; the array is pinned and this object holds it.
        ref *(long*)(Slot(index) + Shape.Header + offset);

    /// <summary>The word that makes sections leave at once while it is not zero.</summary>
    public ref long StopWord(int index) =>
        // SAFETY: only slots made with canStop are asked, and they begin with this word.
        ref *(long*)Slot(index);

    /// <summary>
    /// Enters the slot as the only one of those who use no section there: any thread in the striped fallback, and threads that rseq(2) does not know in the shared slot.
    /// </summary>
    public void Lock(int index)
    {
        ref int word = ref _locks[index * LockDistance];
        var wait = new SpinWait();
        while (Volatile.Read(ref word) != 0 || Interlocked.CompareExchange(ref word, 1, 0) != 0)
        {
            wait.SpinOnce();
        }
    }

    public void Unlock(int index) => Volatile.Write(ref _locks[index * LockDistance], 0);
}
