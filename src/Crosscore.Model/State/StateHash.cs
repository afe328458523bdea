using System.Numerics;

namespace Crosscore.Model.State;

/// <summary>
/// Spreads words over 64 bits. Nothing depends on hashes but speed: wherever two are equal, what was hashed is
/// compared.
/// </summary>
internal static class StateHash
{
    // Multiply and fold: packed states differ in a few bits, which the product spreads over the word. The last steps
    // serve the users that take bits from both ends and from the middle.
    public static ulong Of(ReadOnlySpan<ulong> words)
    {
        ulong hash = 0x9E37_79B9_7F4A_7C15;
        foreach (ulong word in words)
        {
            ulong high = Math.BigMul(hash ^ word, 0xD6E8_FEB8_6659_FD93, out ulong low);
            hash = BitOperations.RotateLeft(high ^ low, 23);
        }

        hash = (hash ^ (hash >> 32)) * 0x9FB2_1C65_1E98_DF25;
        return hash ^ (hash >> 29);
    }
}
