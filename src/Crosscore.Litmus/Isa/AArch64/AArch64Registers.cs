using System.Globalization;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Names of registers, and their places in the registers of a test.</summary>
internal static class AArch64Registers
{
    /// <summary>Gets a register as one of a test.</summary>
    /// <param name="number">Its number, 0 to 30.</param>
    public static TestRegister ToTest(int number) => new(number, "X" + number.ToString(CultureInfo.InvariantCulture));

    /// <summary>Looks up the name of a register, the zero register included.</summary>
    /// <param name="name">The name, in any case.</param>
    /// <param name="number">Its number.</param>
    /// <param name="width">The width in bytes that the name stands for.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParse(string name, out int number, out int width)
    {
        (number, width) = (-1, 0);
        if (name.Length < 2 || name[0] is not ('X' or 'x' or 'W' or 'w'))
        {
            if (name.Equals("LR", StringComparison.OrdinalIgnoreCase))
            {
                (number, width) = (30, 8);
                return true;
            }

            return false;
        }

        width = name[0] is 'X' or 'x' ? 8 : 4;
        if (name.AsSpan(1).Equals("ZR", StringComparison.OrdinalIgnoreCase))
        {
            number = AArch64Register.Zero;
            return true;
        }

        return int.TryParse(name.AsSpan(1), NumberStyles.None, null, out number)
            && number <= 30
            && (name.Length == 2 || name[1] != '0');
    }
}
