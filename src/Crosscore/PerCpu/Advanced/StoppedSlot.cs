using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// A slot in which no section runs: the caller's own until it is disposed of, by the thread that stopped it. Made by
/// <see cref="PerCpuArea.Stop"/>.
/// </summary>
public ref struct StoppedSlot
{
    private readonly int _slot;
    private PerCpuArea? _area;

    internal StoppedSlot(PerCpuArea area, int slot)
    {
        _area = area;
        _slot = slot;
    }

    /// <summary>Gets the slot's bytes. Not to be used after disposal.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public readonly unsafe Span<byte> Bytes
    {
        get
        {
            PerCpuArea area = _area ?? throw new ObjectDisposedException(nameof(StoppedSlot));
            // SAFETY: the slot lies in the memory of the area, which this value holds.
            return new Span<byte>(
                Unsafe.AsPointer(ref Unsafe.As<long, byte>(ref area.Slots.Word(_slot, 0))),
                area.BytesPerCpu
            );
        }
    }

    /// <summary>Gets the slot's bytes as words.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public readonly Span<long> Words => MemoryMarshal.Cast<byte, long>(Bytes);

    /// <summary>
    /// Resumes the slot's sections, which see all that was done. The second call does nothing, nor does the call on a
    /// default value.
    /// </summary>
    public void Dispose()
    {
        _area?.Resume(_slot);
        _area = null;
    }
}
