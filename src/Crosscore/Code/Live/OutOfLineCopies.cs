using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>
/// Copies of instructions in the pages behind live code, for threads that meet a breakpoint. A thread can be stopped
/// inside one for any time, so a copy that a thread was ever sent to is never changed again: it is kept, and found when
/// the same instruction stands at the same place again. A copy that no thread was sent to can give its memory to
/// another.
/// </summary>
internal sealed class OutOfLineCopies(LiveMemory memory, int start, int end)
{
    private const int Granule = 16;

    private readonly Dictionary<PlacedBytes, OutOfLineCopy> _copies = [];
    private readonly Dictionary<int, Stack<int>> _free = []; // By size.
    private int _next = start;

    /// <summary>Returns the copy that exists, or null.</summary>
    public OutOfLineCopy? Find(int offset, InstructionBytes bytes) => _copies.GetValueOrDefault(new(offset, bytes));

    /// <summary>
    /// Gets the copy of instructions that stand, or will stand, at an offset, and writes it if there is none yet.
    /// </summary>
    /// <param name="offset">Of the instructions.</param>
    /// <param name="bytes">The instructions.</param>
    /// <param name="copy">The copy.</param>
    /// <param name="obstacle">Why there can be none.</param>
    /// <returns>False also where there is no memory for it; <paramref name="obstacle"/> is null then.</returns>
    public bool TryGet(int offset, InstructionBytes bytes, out OutOfLineCopy? copy, out string? obstacle)
    {
        obstacle = null;
        copy = Find(offset, bytes);
        if (copy is not null)
        {
            return true;
        }

        Span<byte> instructions = bytes.CopyTo(stackalloc byte[InstructionBytes.Size]);
        Span<byte> moved = stackalloc byte[X86_64Relocator.MaxCopyBytes];

        // Its size does not depend on its place.
        if (
            !X86_64Relocator.TryMove(
                instructions,
                memory.Address + offset,
                memory.Address + _next,
                moved,
                out int length,
                out obstacle
            )
        )
        {
            return false;
        }

        int size = (length + Granule - 1) / Granule * Granule;
        if (Take(size) is not { } at)
        {
            return false;
        }

        _ = X86_64Relocator.TryMove(
            instructions,
            memory.Address + offset,
            memory.Address + at,
            moved,
            out length,
            out _
        );
        moved[length..size].Fill(NativeIsa.Trap);
        memory.Write(at, moved[..size]);
        copy = new OutOfLineCopy(at, size);
        _copies.Add(new(offset, bytes), copy);
        return true;
    }

    /// <summary>Frees the memory of copies that no thread was ever sent to. No table may name them.</summary>
    public void ForgetUnused()
    {
        foreach ((PlacedBytes key, OutOfLineCopy copy) in _copies)
        {
            if (!copy.WasUsed)
            {
                _ = _copies.Remove(key);
                if (!_free.TryGetValue(copy.Size, out Stack<int>? same))
                {
                    _free.Add(copy.Size, same = []);
                }

                same.Push(copy.Offset);
            }
        }
    }

    private int? Take(int size)
    {
        if (_free.TryGetValue(size, out Stack<int>? same) && same.TryPop(out int at))
        {
            return at;
        }

        if (_next > end - size)
        {
            return null;
        }

        at = _next;
        _next += size;
        return at;
    }
}

/// <summary>
/// Instructions at an offset. Looked up for every site of every patch, so its hash is a multiplication.
/// </summary>
internal readonly record struct PlacedBytes(int Offset, InstructionBytes Bytes)
{
    public bool Equals(PlacedBytes other) =>
        Offset == other.Offset && Bytes.Low == other.Bytes.Low && Bytes.High == other.Bytes.High;

    public override int GetHashCode() =>
        (int)(((Bytes.Low ^ (Bytes.High << 7) ^ ((ulong)(uint)Offset << 40)) * 0x9E3779B97F4A7C15) >> 32);
}
