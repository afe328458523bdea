using System.Text;

namespace Crosscore.Litmus.Tests.Isa.X86_64.Oracle;

/// <summary>One thread of the oracle, with everything that its core holds for it.</summary>
internal sealed class OracleThread
{
    /// <summary>The instruction that comes next.</summary>
    public int At { get; set; }

    /// <summary>What an unlocked read-modify-write has read, while others may still come before it writes.</summary>
    public ulong? Read { get; set; }

    /// <summary>
    /// The threads that still owe a fence to the membarrier this thread is in; <see langword="null"/> outside of one.
    /// </summary>
    public HashSet<int>? Owed { get; set; }

    public ulong[] Registers { get; init; } = new ulong[16];

    public bool Carry { get; set; }

    public bool Zero { get; set; }

    public bool Sign { get; set; }

    public bool Overflow { get; set; }

    /// <summary>Stores on their way to memory, oldest first.</summary>
    public List<(ulong Address, int Width, ulong Value)> Buffer { get; init; } = [];

    public OracleThread Clone() =>
        new()
        {
            At = At,
            Read = Read,
            Owed = Owed is null ? null : [.. Owed],
            Registers = [.. Registers],
            Carry = Carry,
            Zero = Zero,
            Sign = Sign,
            Overflow = Overflow,
            Buffer = [.. Buffer],
        };
}

/// <summary>
/// A state of the oracle: memory byte by byte, and the threads. Nothing is packed and nothing is left out.
/// </summary>
internal sealed class OracleState(Dictionary<ulong, byte> memory, OracleThread[] threads)
{
    public Dictionary<ulong, byte> Memory { get; } = memory;

    public OracleThread[] Threads { get; } = threads;

    public OracleState Clone() =>
        new(new Dictionary<ulong, byte>(Memory), [.. Threads.Select(thread => thread.Clone())]);

    public ulong ReadMemory(ulong address, int width)
    {
        ulong value = 0;
        for (int index = 0; index < width; index++)
        {
            value |= (ulong)Memory[address + (ulong)index] << (8 * index);
        }

        return value;
    }

    public void WriteMemory(ulong address, int width, ulong value)
    {
        for (int index = 0; index < width; index++)
        {
            Memory[address + (ulong)index] = (byte)(value >> (8 * index));
        }
    }

    /// <summary>
    /// What a load of a thread returns: each byte from the newest waiting store of that thread that has it, or
    /// from memory.
    /// </summary>
    public ulong Load(int thread, ulong address, int width)
    {
        ulong value = 0;
        for (int index = 0; index < width; index++)
        {
            ulong at = address + (ulong)index;
            int newest = Threads[thread]
                .Buffer.FindLastIndex(store => at >= store.Address && at - store.Address < (ulong)store.Width);
            ulong content =
                newest < 0
                    ? Memory[at]
                    : Threads[thread].Buffer[newest].Value >> (int)(8 * (at - Threads[thread].Buffer[newest].Address));
            value |= (content & 0xFF) << (8 * index);
        }

        return value;
    }

    /// <summary>The state as text, all of it: two states are the same when their texts are.</summary>
    public string Key()
    {
        var text = new StringBuilder();
        foreach (byte content in Memory.Values)
        {
            text.Append((char)content);
        }

        foreach (OracleThread thread in Threads)
        {
            text.Append((char)thread.At);
            text.Append(
                (char)(
                    (thread.Carry ? 1 : 0)
                    | (thread.Zero ? 2 : 0)
                    | (thread.Sign ? 4 : 0)
                    | (thread.Overflow ? 8 : 0)
                    | (thread.Read is null ? 0 : 16)
                )
            );
            Append(text, thread.Read ?? 0);
            text.Append((char)(thread.Owed is null ? 0 : 1 + thread.Owed.Sum(owing => 2 << owing)));
            foreach (ulong register in thread.Registers)
            {
                Append(text, register);
            }

            text.Append((char)thread.Buffer.Count);
            foreach ((ulong address, int width, ulong value) in thread.Buffer)
            {
                Append(text, address);
                text.Append((char)width);
                Append(text, value);
            }
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, ulong value) =>
        text.Append((char)(ushort)value)
            .Append((char)(ushort)(value >> 16))
            .Append((char)(ushort)(value >> 32))
            .Append((char)(ushort)(value >> 48));
}
