using System.CommandLine;
using System.Globalization;

namespace Crosscore.Tool.Commands;

/// <summary>Checks numeric options, with one message for text and for numbers out of range.</summary>
internal static class Numbers
{
    /// <summary>Lets an option take only numbers within a range.</summary>
    /// <typeparam name="T">The type of its value.</typeparam>
    /// <param name="option">The option.</param>
    /// <param name="expected">What it takes, in words.</param>
    /// <param name="isValid">Whether it takes a number.</param>
    public static Option<T> Taking<T>(this Option<T> option, string expected, Func<T, bool> isValid)
        where T : IParsable<T>
    {
        option.CustomParser = result =>
        {
            string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
            if (T.TryParse(text, CultureInfo.InvariantCulture, out T? value) && isValid(value))
            {
                return value;
            }

            result.AddError($"found '{text}' after {option.Name}, expected {expected}");
            return default!;
        };
        return option;
    }
}
