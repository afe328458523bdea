using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>The general-purpose registers, in the order of their encoding (Intel SDM vol. 2, table 3-1).</summary>
internal enum X86_64Register
{
#pragma warning disable CS1591 // the names are the architecture's
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
#pragma warning restore CS1591
}

/// <summary>Names of registers, and their places in the registers of a test.</summary>
internal static class X86_64RegisterNames
{
    private static readonly string[] Names64 =
    [
        "rax",
        "rcx",
        "rdx",
        "rbx",
        "rsp",
        "rbp",
        "rsi",
        "rdi",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
    ];

    private static readonly Dictionary<string, (X86_64Register, int)> Known = BuildNames();

    /// <summary>Gets the 64-bit name, in lower case.</summary>
    /// <param name="register">The register.</param>
    public static string Name(this X86_64Register register) => Names64[(int)register];

    /// <summary>Gets a register as one of a test.</summary>
    /// <param name="register">The register.</param>
    internal static TestRegister ToTest(this X86_64Register register) => new((int)register, register.Name());

    /// <summary>Gets a register of a test as one of this instruction set.</summary>
    /// <param name="register">The register.</param>
    internal static X86_64Register ToX86_64(this TestRegister register) => (X86_64Register)register.Number;

    /// <summary>Looks a name of any width up.</summary>
    /// <param name="name">For example <c>eax</c>, in any case, without the percent sign.</param>
    /// <param name="register">The register.</param>
    /// <param name="width">The width in bytes that the name stands for.</param>
    /// <returns>Whether it is a general-purpose register.</returns>
    public static bool TryParse(string name, out X86_64Register register, out int width)
    {
        bool known = Known.TryGetValue(name.ToLowerInvariant(), out (X86_64Register Register, int Width) found);
        (register, width) = found;
        return known;
    }

    private static Dictionary<string, (X86_64Register, int)> BuildNames()
    {
        var names = new Dictionary<string, (X86_64Register, int)>();
        for (int code = 0; code < 16; code++)
        {
            var register = (X86_64Register)code;
            string name = Names64[code];
            names[name] = (register, 8);
            if (code >= 8)
            {
                names[name + "d"] = (register, 4);
                names[name + "w"] = (register, 2);
                names[name + "b"] = (register, 1);
                continue;
            }

            string stem = name[1..];
            names["e" + stem] = (register, 4);
            names[stem] = (register, 2);
            // al cl dl bl, but spl bpl sil dil. The high bytes (ah ...) have no place here: no test of the field uses
            // them.
            names[code < 4 ? stem[0] + "l" : stem + "l"] = (register, 1);
        }

        return names;
    }
}
